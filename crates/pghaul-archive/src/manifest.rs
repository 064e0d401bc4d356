//! `manifest.jsonl`: written last, names every other file with its digest.
//!
//! Invariant: a manifest that was read fits itself: its files have the names that the format gives,
//! the numbers of pieces ascend.

use pghaul_rows::{RowDigest, TableDigest};
use serde::{Deserialize, Serialize};

use crate::contents::{Contents, Name, Source, cut};
use crate::error::{ArchiveError, Problem};
use crate::name::{ArchiveId, ByHand, FileName, Sha};
use crate::record::PieceKind;
use crate::seal::{seal, unseal};

/// Every file of an archive but itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The archive.
    pub archive: ArchiveId,
    /// When it was finished: UTC, as `2026-11-22T06:11:08Z`.
    pub finished: String,
    /// The database it was made from, as in the contents.
    pub source: Source,
    /// Why all rows are of one moment: `snapshot`, `proven-unchanged` or `reverified`.
    pub consistency: String,
    /// Contents and the files for the hand.
    pub files: Vec<File>,
    /// The pieces, by number.
    pub pieces: Vec<Piece>,
    /// The values of sequences.
    pub sequences: Vec<Sequence>,
    /// Digests of the batches of large objects, as a server's objects are digested.
    pub large_objects: Vec<Batch>,
}

/// A file that is no piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Sha,
}

/// A piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its place in the contents' tables; none for large objects.
    pub table: Option<u32>,
    /// Its part, or its batch of large objects.
    pub part: u32,
    /// Bytes of its COPY stream.
    pub length: u64,
    /// Its rows.
    pub rows: u64,
    /// Their digest.
    pub lanes: String,
    /// Its last chain.
    pub chain: Sha,
}

impl Piece {
    /// Rows or large objects.
    pub fn kind(&self) -> PieceKind {
        if self.table.is_some() { PieceKind::Rows } else { PieceKind::LargeObjects }
    }

    /// Its number, from its name; none if that is no name of a piece of its kind.
    pub fn number(&self) -> Option<u32> {
        match (self.file.parse(), self.kind()) {
            (Ok(FileName::Rows(number)), PieceKind::Rows)
            | (Ok(FileName::LargeObjects(number)), PieceKind::LargeObjects) => Some(number),
            _ => None,
        }
    }

    /// Rows and lanes.
    pub fn digest(&self) -> TableDigest {
        TableDigest::from_hex(self.rows, &self.lanes).unwrap_or_default()
    }
}

/// The value of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Its name.
    pub name: Name,
    /// `last_value`.
    pub value: i64,
    /// `is_called`.
    pub called: bool,
}

/// A batch of large objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// How many objects, from where the batch before ended.
    pub objects: u32,
    /// SHA-256 over OID (4 bytes), length (8 bytes) and SHA-256 of the content of each.
    pub sha256: Sha,
}

/// The name in the seal.
const KIND: &str = "manifest";

impl Manifest {
    /// As a document.
    ///
    /// # Errors
    /// As [`seal`].
    pub fn to_document(&self) -> Result<Vec<u8>, ArchiveError> {
        seal(KIND, self)
    }

    /// From a document.
    ///
    /// # Errors
    /// As [`unseal`]; [`Problem::Name`] and [`Problem::Document`] for what does not fit.
    pub fn from_document(document: &[u8]) -> Result<Self, ArchiveError> {
        let manifest: Self = unseal(KIND, document)?;
        manifest.check().map_err(|problem| ArchiveError::damaged("manifest.jsonl", problem))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Problem> {
        let expected = std::iter::once(FileName::Contents)
            .chain(ByHand::ALL.into_iter().map(FileName::ByHand));
        let files: Vec<&str> = self.files.iter().map(|file| file.file.as_str()).collect();
        same_names(&files, expected)?;
        let mut before = 0;
        for piece in &self.pieces {
            let number = piece.number().ok_or_else(|| Problem::Name {
                expected: piece.kind().file(before + 1).to_string(),
                found: cut(&piece.file),
            })?;
            if number <= before {
                return Err(Problem::Document("pieces out of order".to_owned()));
            }
            before = number;
            piece
                .lanes
                .parse::<RowDigest>()
                .map_err(|error| Problem::Document(format!("lanes of a piece: {error}")))?;
        }
        Ok(())
    }

    /// Whether contents and manifest are of one archive and fit.
    ///
    /// # Errors
    /// [`Problem::Contradiction`].
    pub fn check_with(&self, contents: &Contents) -> Result<(), ArchiveError> {
        let contradiction = |what: &str| {
            let problem = Problem::Contradiction { with: "contents.jsonl", what: what.to_owned() };
            Err(ArchiveError::damaged("manifest.jsonl", problem))
        };
        if self.archive != contents.archive {
            return contradiction("another archive");
        }
        if self.source != contents.source {
            return contradiction("another source");
        }
        let tables = contents.tables.len();
        let known = |table: u32| usize::try_from(table).is_ok_and(|table| table < tables);
        if !self.pieces.iter().filter_map(|piece| piece.table).all(known) {
            return contradiction("a piece of a table that is not there");
        }
        let objects: u64 = self.large_objects.iter().map(|batch| u64::from(batch.objects)).sum();
        if objects != contents.large_objects.len() as u64 {
            return contradiction("another number of large objects");
        }
        let batches = self.large_objects.len();
        let in_batch = |piece: &Piece| usize::try_from(piece.part).is_ok_and(|part| part < batches);
        if !self.pieces.iter().filter(|piece| piece.table.is_none()).all(in_batch) {
            return contradiction("large objects of a batch that is not there");
        }
        Ok(())
    }

    /// The rows of one table of the contents, from all its pieces.
    pub fn table_digest(&self, table: usize) -> TableDigest {
        let mut sum = TableDigest::default();
        let of_table = |piece: &&Piece| {
            piece.table.is_some_and(|at| usize::try_from(at).is_ok_and(|at| at == table))
        };
        for piece in self.pieces.iter().filter(of_table) {
            sum.add(piece.digest());
        }
        sum
    }
}

fn same_names(found: &[&str], expected: impl Iterator<Item = FileName>) -> Result<(), Problem> {
    let expected: Vec<String> = expected.map(|name| name.to_string()).collect();
    for (found, expected) in found.iter().zip(&expected) {
        if found != expected {
            return Err(Problem::Name { expected: expected.clone(), found: cut(found) });
        }
    }
    match (found.len(), expected.len()) {
        (found, expected) if found == expected => Ok(()),
        (found, expected) => {
            Err(Problem::Document(format!("{found} files where {expected} should be named")))
        }
    }
}
