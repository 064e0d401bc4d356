//! Reads an archive from a stream, in the order in which it comes.
//!
//! Invariants: the contents are checked before the first piece, each frame before it is given,
//! and the whole against the manifest at the end; what comes in another order is refused.

use std::collections::BTreeMap;
use std::io::Read;

use sha2::{Digest, Sha256};

use crate::check;
use crate::contents::Contents;
use crate::error::{ArchiveError, Problem};
use crate::manifest::Manifest;
use crate::name::{ByHand, FileName, Sha};
use crate::piece::{Depth, Frame, PieceReader, Summary};
use crate::record::Header;
use crate::tar::TarReader;

/// An archive that is being read from a stream.
pub struct StreamReader<R> {
    tar: TarReader<R>,
    contents: Contents,
    files: BTreeMap<FileName, (u64, Sha)>,
    pieces: Vec<(Header, Summary)>,
}

/// Takes the frames of a piece.
pub trait TakesPieces {
    /// A piece begins.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn begin(&mut self, header: &Header) -> Result<(), ArchiveError>;

    /// A frame of it, checked.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn frame(&mut self, frame: Frame) -> Result<(), ArchiveError>;

    /// The piece was whole.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn end(&mut self, summary: &Summary) -> Result<(), ArchiveError>;
}

impl<R: Read> StreamReader<R> {
    /// Reads up to the first piece.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] for anything that is not what a writer writes; what the input
    /// said. So for all that reads.
    pub fn open(input: R) -> Result<Self, ArchiveError> {
        let mut tar = TarReader::new(input);
        let size = expect(&mut tar, FileName::Contents)?;
        let document = tar.document(FileName::Contents, size)?;
        let contents = Contents::from_document(&document)?;
        let files = BTreeMap::from([(FileName::Contents, (size, Sha::of(&document)))]);
        Ok(Self { tar, contents, files, pieces: Vec::new() })
    }

    /// What the archive holds.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    fn hash(&mut self, name: FileName, size: u64) -> Result<Sha, ArchiveError> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut file = self.tar.file(size);
        let mut bytes = 0_u64;
        loop {
            let read = file
                .read(&mut buffer)
                .map_err(|error| ArchiveError::io("read", name.to_string(), error))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
        if bytes != size {
            return Err(ArchiveError::damaged(name.to_string(), Problem::Truncated));
        }
        self.tar.leave(size)?;
        Ok(Sha(hash.finalize().into()))
    }

    /// Reads all pieces, then the manifest, and holds them against each other.
    ///
    /// # Errors
    /// As [`StreamReader::open`]; what `taker` gives.
    pub fn read(
        mut self,
        taker: &mut impl TakesPieces,
    ) -> Result<(Contents, Manifest), ArchiveError> {
        loop {
            let Some((name, size)) = self.tar.next_file()? else {
                return Err(ArchiveError::damaged("manifest.jsonl", Problem::Missing));
            };
            match name {
                FileName::Rows(_) | FileName::LargeObjects(_) if self.files.len() == 1 => {
                    self.piece(name, size, taker)?;
                }
                FileName::ByHand(part) if ByHand::ALL.get(self.files.len() - 1) == Some(&part) => {
                    let digest = self.hash(name, size)?;
                    self.files.insert(name, (size, digest));
                }
                FileName::Manifest if self.files.len() == 1 + ByHand::ALL.len() => {
                    return self.end(size);
                }
                _ => return Err(out_of_order("the file that comes next", name)),
            }
        }
    }

    fn piece(
        &mut self,
        name: FileName,
        size: u64,
        taker: &mut impl TakesPieces,
    ) -> Result<(), ArchiveError> {
        let file = name.to_string();
        let (header, mut reader) =
            PieceReader::open(self.tar.file(size), &file, Depth::Decompress)?;
        let before = self.pieces.last().map_or(0, |(header, _)| header.number);
        if header.file() != name || header.number <= before {
            return Err(ArchiveError::damaged(file, Problem::Foreign("number")));
        }
        if header.archive != self.contents.archive {
            return Err(ArchiveError::damaged(file, Problem::Foreign("archive")));
        }
        taker.begin(&header)?;
        while let Some(frame) = reader.next_frame()? {
            taker.frame(frame)?;
        }
        let summary = reader
            .summary()
            .filter(|summary| summary.bytes == size)
            .ok_or_else(|| ArchiveError::damaged(&file, Problem::Truncated))?;
        drop(reader);
        taker.end(&summary)?;
        self.pieces.push((header, summary));
        self.tar.leave(size)
    }

    fn end(mut self, size: u64) -> Result<(Contents, Manifest), ArchiveError> {
        let document = self.tar.document(FileName::Manifest, size)?;
        let manifest = Manifest::from_document(&document)?;
        manifest.check_with(&self.contents)?;
        for file in &manifest.files {
            let seen = file.file.parse().ok().and_then(|name: FileName| self.files.get(&name));
            if seen != Some(&(file.bytes, file.sha256)) {
                let problem = Problem::Digest { what: "the file" };
                return Err(ArchiveError::damaged(&file.file, problem));
            }
        }
        if manifest.pieces.len() != self.pieces.len() {
            let what = "the number of pieces".to_owned();
            let problem = Problem::Contradiction { with: "the stream", what };
            return Err(ArchiveError::damaged("manifest.jsonl", problem));
        }
        for (expected, (header, summary)) in manifest.pieces.iter().zip(&self.pieces) {
            check::header(header, expected, &self.contents)?;
            check::summary(*summary, expected)?;
        }
        match self.tar.next_file()? {
            None => Ok((self.contents, manifest)),
            Some((name, _)) => Err(out_of_order("the end", name)),
        }
    }
}

/// Checks the rows of each piece.
struct Checked<'a> {
    contents: &'a Contents,
    rows: Option<crate::rows::RowCheck>,
}

impl TakesPieces for Checked<'_> {
    fn begin(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let file = header.file().to_string();
        self.rows = Some(match table_of(self.contents, header)? {
            Some(table) => crate::rows::RowCheck::of_table(table, &file),
            None => crate::rows::RowCheck::of_large_objects(&file),
        });
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<(), ArchiveError> {
        self.rows.as_mut().map_or(Ok(()), |rows| rows.frame(frame, |_| ()))
    }

    fn end(&mut self, _: &Summary) -> Result<(), ArchiveError> {
        self.rows.take().map_or(Ok(()), crate::rows::RowCheck::finish)
    }
}

/// The table of a piece; none for large objects.
///
/// # Errors
/// [`Problem::Foreign`] for a table that is not there or of another format.
pub fn table_of<'a>(
    contents: &'a Contents,
    header: &Header,
) -> Result<Option<&'a crate::contents::Table>, ArchiveError> {
    if header.kind == crate::record::PieceKind::LargeObjects {
        return Ok(None);
    }
    let table = usize::try_from(header.table).ok().and_then(|at| contents.tables.get(at));
    match table {
        Some(table) if table.format == header.format => Ok(Some(table)),
        _ => Err(ArchiveError::damaged(header.file().to_string(), Problem::Foreign("table"))),
    }
}

/// Checks a whole stream, down to the last row.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(input: impl Read) -> Result<(Contents, Manifest), ArchiveError> {
    let stream = StreamReader::open(input)?;
    let contents = stream.contents().clone();
    stream.read(&mut Checked { contents: &contents, rows: None })
}

fn expect<R: Read>(tar: &mut TarReader<R>, name: FileName) -> Result<u64, ArchiveError> {
    match tar.next_file()? {
        Some((found, size)) if found == name => Ok(size),
        Some((found, _)) => Err(out_of_order(&name.to_string(), found)),
        None => Err(ArchiveError::damaged(name.to_string(), Problem::Missing)),
    }
}

fn out_of_order(expected: &str, found: FileName) -> ArchiveError {
    let problem = Problem::Name { expected: expected.to_owned(), found: found.to_string() };
    ArchiveError::damaged("the stream", problem)
}
