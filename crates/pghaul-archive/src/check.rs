//! Holds an archive against its own manifest, down to the last row.
//!
//! Invariants: a piece that passed is the one that was written, byte for byte, and its frames hold
//! the rows that their records say; parts that passed are whole, each piece beginning where the
//! one before ended.

use std::collections::BTreeMap;
use std::io::Read;

use pghaul_rows::Tid;
use sha2::{Digest, Sha256};

use crate::contents::Contents;
use crate::error::{ArchiveError, Problem};
use crate::folder::Folder;
use crate::layout::WireFormat;
use crate::manifest::{Manifest, Piece};
use crate::name::{FileName, Sha};
use crate::piece::{Depth, PieceReader, Summary};
use crate::record::{Header, PieceKind};
use crate::rows::{Chunk, RowCheck};

/// What the check of one piece learned for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    header: Header,
    next: Option<Tid>,
}

/// Whether a piece's header is the one that the manifest means.
///
/// # Errors
/// [`Problem::Foreign`].
pub fn header(header: &Header, expected: &Piece, contents: &Contents) -> Result<(), ArchiveError> {
    let table = expected.table.and_then(|at| contents.tables.get(usize::try_from(at).ok()?));
    let format = table.map_or(WireFormat::Binary, |table| table.format);
    let wrong = if header.archive != contents.archive {
        "archive"
    } else if header.kind != expected.kind() || header.table != expected.table.unwrap_or(0) {
        "table"
    } else if header.file().to_string() != expected.file {
        "number"
    } else if header.part != expected.part {
        "part"
    } else if header.format != format {
        "format"
    } else {
        return Ok(());
    };
    Err(ArchiveError::damaged(&expected.file, Problem::Foreign(wrong)))
}

/// Whether a piece that was read to its end is the one that the manifest means.
///
/// # Errors
/// [`Problem::Contradiction`].
pub fn summary(summary: Summary, expected: &Piece) -> Result<(), ArchiveError> {
    let what = if summary.end.digest.rows != expected.rows {
        "the number of rows"
    } else if summary.end.digest != expected.digest() {
        "the digest of the rows"
    } else if summary.end.length != expected.length || summary.bytes != expected.bytes {
        "the length"
    } else if summary.chain != expected.chain {
        "the digest of the records"
    } else {
        return Ok(());
    };
    let problem = Problem::Contradiction { with: "manifest.jsonl", what: what.to_owned() };
    Err(ArchiveError::damaged(&expected.file, problem))
}

/// Checks a piece of rows down to each row.
///
/// # Errors
/// [`ArchiveError`]: the first thing that is wrong.
pub fn rows(input: impl Read, expected: &Piece, contents: &Contents) -> Result<Seen, ArchiveError> {
    let (found, mut reader) = PieceReader::open(input, &expected.file, Depth::Decompress)?;
    header(&found, expected, contents)?;
    let table = expected.table.and_then(|at| contents.tables.get(usize::try_from(at).ok()?));
    let Some(table) = table else {
        return Err(ArchiveError::damaged(&expected.file, Problem::Foreign("table")));
    };
    let mut check = RowCheck::of_table(table, &expected.file);
    while let Some(frame) = reader.next_frame()? {
        check.frame(frame, |_| ())?;
    }
    check.finish()?;
    ended(found, &reader, expected)
}

fn ended<R: Read>(
    header: Header,
    reader: &PieceReader<R>,
    expected: &Piece,
) -> Result<Seen, ArchiveError> {
    let seen = reader
        .summary()
        .ok_or_else(|| ArchiveError::damaged(&expected.file, Problem::Truncated))?;
    summary(seen, expected)?;
    Ok(Seen { header, next: seen.end.next })
}

/// Digests the large objects of one batch, chunk by chunk.
#[derive(Debug)]
pub struct BatchDigest {
    /// The last is the next one.
    objects: Vec<u32>,
    all: Sha256,
    content: Sha256,
    offset: i64,
    begun: bool,
}

impl BatchDigest {
    /// Of the objects with these OIDs, in this order.
    pub fn new(mut objects: Vec<u32>) -> Self {
        objects.reverse();
        let (all, content) = (Sha256::new(), Sha256::new());
        Self { objects, all, content, offset: 0, begun: false }
    }

    /// Takes the next chunk: false if it does not go on where the one before ended.
    #[must_use]
    pub fn chunk(&mut self, chunk: Chunk<'_>) -> bool {
        if chunk.offset == 0 && self.begun {
            self.end_object();
        }
        let fits = self.objects.last() == Some(&chunk.oid) && chunk.offset == self.offset;
        self.begun = true;
        self.content.update(chunk.data);
        self.offset = self.offset.saturating_add(i64::try_from(chunk.data.len()).unwrap_or(0));
        fits
    }

    fn end_object(&mut self) {
        if let Some(object) = self.objects.pop() {
            self.all.update(object.to_be_bytes());
            self.all.update(self.offset.to_be_bytes());
            self.all.update(std::mem::take(&mut self.content).finalize());
        }
        self.offset = 0;
        self.begun = false;
    }

    /// The digest; none while objects are missing.
    pub fn finish(mut self) -> Option<Sha> {
        if self.begun {
            self.end_object();
        }
        self.objects.is_empty().then(|| Sha(self.all.finalize().into()))
    }
}

/// The OIDs of a batch of large objects.
pub fn objects_of_batch(contents: &Contents, manifest: &Manifest, batch: usize) -> Vec<u32> {
    let size = |batch: &crate::manifest::Batch| usize::try_from(batch.objects).unwrap_or(0);
    let before: usize = manifest.large_objects.iter().take(batch).map(size).sum();
    let length = manifest.large_objects.get(batch).map_or(0, size);
    let objects = contents.large_objects.iter().skip(before).take(length);
    objects.map(|object| object.oid).collect()
}

/// Checks all pieces of one batch of large objects, in the order of their numbers; `open` opens
/// one.
///
/// # Errors
/// As [`rows`].
pub fn objects<R: Read>(
    (contents, manifest): (&Contents, &Manifest),
    batch: usize,
    open: impl Fn(&Piece) -> Result<R, ArchiveError>,
) -> Result<(), ArchiveError> {
    let oids = objects_of_batch(contents, manifest, batch);
    let mut digest = BatchDigest::new(oids);
    let of_batch =
        |piece: &&Piece| piece.table.is_none() && usize::try_from(piece.part) == Ok(batch);
    let mut last = FileName::Manifest.to_string();
    for piece in manifest.pieces.iter().filter(of_batch) {
        let (found, mut reader) = PieceReader::open(open(piece)?, &piece.file, Depth::Decompress)?;
        header(&found, piece, contents)?;
        let mut check = RowCheck::of_large_objects(&piece.file);
        let mut fits = true;
        while let Some(frame) = reader.next_frame()? {
            check.frame(frame, |row| {
                let tuple = row.tuple.to_bytes();
                fits &= Chunk::of_tuple(&tuple).is_some_and(|chunk| digest.chunk(chunk));
            })?;
        }
        check.finish()?;
        if !fits {
            return Err(objects_differ(&piece.file));
        }
        ended(found, &reader, piece)?;
        last.clone_from(&piece.file);
    }
    let expected = manifest.large_objects.get(batch).map(|batch| batch.sha256);
    if digest.finish() == expected { Ok(()) } else { Err(objects_differ(&last)) }
}

fn objects_differ(file: &str) -> ArchiveError {
    let what = "the large objects".to_owned();
    ArchiveError::damaged(file, Problem::Contradiction { with: "manifest.jsonl", what })
}

/// Whether parts are whole: each piece begins where the one before ended, the last has no next.
///
/// # Errors
/// [`Problem::Contradiction`].
pub fn parts(seen: &[Seen]) -> Result<(), ArchiveError> {
    let mut by_part: BTreeMap<(u32, u32), Vec<&Seen>> = BTreeMap::new();
    for piece in seen.iter().filter(|piece| piece.header.kind == PieceKind::Rows) {
        by_part.entry((piece.header.table, piece.header.part)).or_default().push(piece);
    }
    for pieces in by_part.values_mut() {
        pieces.sort_by_key(|piece| piece.header.start);
        for (at, piece) in pieces.iter().enumerate() {
            let follows = pieces.get(at + 1).map(|next| next.header.start);
            if piece.next != follows {
                let what = "the piece that should follow".to_owned();
                let problem = Problem::Contradiction { with: "manifest.jsonl", what };
                return Err(ArchiveError::damaged(piece.header.file().to_string(), problem));
            }
        }
    }
    Ok(())
}

/// A file that is no piece.
///
/// # Errors
/// [`Problem::Digest`], [`Problem::Contradiction`] about its length, what the storage said.
pub fn file(input: impl Read, expected: &crate::manifest::File) -> Result<(), ArchiveError> {
    let mut hash = Sha256::new();
    let mut input = input.take(expected.bytes.saturating_add(1));
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0_u64;
    loop {
        let read = input
            .read(&mut buffer)
            .map_err(|error| ArchiveError::io("read", &expected.file, error))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
    if bytes != expected.bytes {
        let problem = if bytes < expected.bytes { Problem::Truncated } else { Problem::TooLong };
        return Err(ArchiveError::damaged(&expected.file, problem));
    }
    if Sha(hash.finalize().into()) != expected.sha256 {
        return Err(ArchiveError::damaged(&expected.file, Problem::Digest { what: "the file" }));
    }
    Ok(())
}

/// Files of a folder that its manifest does not name.
///
/// # Errors
/// What the storage said.
pub fn unnamed(folder: &Folder, manifest: &Manifest) -> Result<Vec<String>, ArchiveError> {
    let files = manifest.files.iter().map(|file| file.file.as_str());
    let pieces = manifest.pieces.iter().map(|piece| piece.file.as_str());
    let own = FileName::Manifest.to_string();
    let named: std::collections::BTreeSet<&str> =
        files.chain(pieces).chain([own.as_str()]).collect();
    let mut found = folder.list()?;
    found.retain(|name| !named.contains(name.as_str()));
    Ok(found)
}

/// Checks a whole folder, one file after the other. Gives the files that the manifest does not
/// name.
///
/// # Errors
/// The first thing that is wrong.
pub fn folder(folder: &Folder) -> Result<Vec<String>, ArchiveError> {
    let (manifest, contents) = folder.documents()?;
    for named in &manifest.files {
        file(open(folder, &named.file)?, named)?;
    }
    let mut seen = Vec::new();
    for piece in manifest.pieces.iter().filter(|piece| piece.table.is_some()) {
        seen.push(rows(open(folder, &piece.file)?, piece, &contents)?);
    }
    parts(&seen)?;
    for batch in 0..manifest.large_objects.len() {
        let opened = |piece: &Piece| open(folder, &piece.file);
        objects((&contents, &manifest), batch, opened)?;
    }
    unnamed(folder, &manifest)
}

/// Opens a file that a manifest names, if the format does too.
///
/// # Errors
/// As [`Folder::open`].
pub fn open(
    folder: &Folder,
    name: &str,
) -> Result<std::io::BufReader<std::fs::File>, ArchiveError> {
    let parsed: FileName = name.parse().map_err(|_| {
        let found = crate::contents::cut(name);
        let problem = Problem::Name { expected: "a file of an archive".to_owned(), found };
        ArchiveError::damaged("manifest.jsonl", problem)
    })?;
    Ok(std::io::BufReader::with_capacity(64 << 10, folder.open(parsed)?))
}
