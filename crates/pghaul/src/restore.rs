//! An archive into a database: a clone with the archive as its source.
//!
//! Invariants: parts, receipts, steps and verification are those of a clone, in the same state, so
//! `status` and `finish` know nothing of archives; no byte of a frame reaches the target before
//! its digest was checked; a stream whose end was not seen leaves an unfinished run.

pub(crate) mod plan;
mod stream;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use pghaul_archive::contents::Contents;
use pghaul_archive::name::Sha;
use pghaul_archive::piece::Depth;
use pghaul_archive::rows::RowCheck;
use pghaul_archive::{
    ArchiveError, Folder, Frame, Manifest, PieceReader, Problem, check, manifest,
};

use crate::archive::{Summary, failed, from_name, to_name};
use crate::connect::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;
use crate::plan::PartId;
use crate::run::steps::SequenceValue;
use crate::run::{ARCHIVE, CloneOptions, PreparedClone};
use crate::transfer::archived::chunks_of;
use crate::transfer::large_objects::LargeObject;
pub use stream::restore_stream;

/// An archive whose documents were read and fit.
pub(crate) struct Archive {
    /// None once a stream has been read: its pieces are in the target then.
    pub(crate) folder: Option<Folder>,
    pub(crate) manifest: Manifest,
    pub(crate) contents: Contents,
}

/// An archive, and which of its pieces are the parts of a run.
pub(crate) struct Loaded {
    pub(crate) archive: Arc<Archive>,
    /// Places in the manifest, by part.
    pub(crate) pieces: Vec<usize>,
}

/// Prepares the restore of an archive in a folder: see [`PreparedClone`] for what can be done with
/// it. Of the options, `format`, `part_size`, `source_use`, `pg_dump` and `snapshot` mean nothing
/// here; `max_rate` counts bytes of COPY streams, uncompressed.
///
/// # Errors
/// [`ErrorKind::Archive`] for an archive whose documents are damaged, missing or too new; else as
/// [`PreparedClone::new`]. Nothing was written in any case, but what
/// [`Start::Restart`](crate::run::options::Start::Restart) drops.
pub async fn prepare(
    folder: PathBuf,
    target: Endpoint,
    options: CloneOptions,
) -> Result<PreparedClone, Error> {
    let archive = Arc::new(open(folder).await?);
    PreparedClone::of_archive(archive, target, options).await
}

/// What an archive says of itself; nothing but its documents is read.
///
/// # Errors
/// As [`prepare`].
pub async fn describe(folder: PathBuf) -> Result<Summary, Error> {
    open(folder).await.map(|archive| Summary::of(&archive.manifest, &archive.contents))
}

pub(crate) async fn open(folder: PathBuf) -> Result<Archive, Error> {
    let folder = Folder::new(folder);
    let read = tokio::task::spawn_blocking(move || {
        let (manifest, contents) = folder.documents()?;
        Ok(Archive { folder: Some(folder), manifest, contents })
    });
    let read: Result<Archive, ArchiveError> = read.await.map_err(|error| {
        Error::new(ErrorKind::Bug, "a thread ended by a panic").caused_by(error)
    })?;
    read.map_err(failed)
}

/// What stands in the state of a restore where a clone has the name of its snapshot.
pub(crate) fn name_of(contents: &Contents) -> String {
    format!("{ARCHIVE}{}", contents.archive)
}

impl Archive {
    pub(crate) fn name(&self) -> String {
        name_of(&self.contents)
    }

    /// Large objects in their batches.
    pub(crate) fn batches(&self, objects: &[LargeObject]) -> Vec<Vec<LargeObject>> {
        let mut rest = objects;
        let mut batches = Vec::new();
        for batch in &self.manifest.large_objects {
            let length = usize::try_from(batch.objects).unwrap_or(usize::MAX).min(rest.len());
            let (these, behind) = rest.split_at(length);
            if !these.is_empty() {
                batches.push(these.to_vec());
            }
            rest = behind;
        }
        batches
    }

    fn open_piece(&self, piece: &manifest::Piece) -> Result<impl Read + use<>, ArchiveError> {
        match &self.folder {
            Some(folder) => check::open(folder, &piece.file),
            None => Err(ArchiveError::damaged(&piece.file, Problem::Missing)),
        }
    }
}

impl Loaded {
    pub(crate) fn name(&self) -> String {
        self.archive.name()
    }

    fn piece(&self, part: PartId) -> Result<&manifest::Piece, ArchiveError> {
        let place = self.pieces.get(part.0);
        place
            .and_then(|at| self.archive.manifest.pieces.get(*at))
            .ok_or_else(|| ArchiveError::damaged("manifest.jsonl", Problem::Foreign("part")))
    }

    /// The file of a part, for messages.
    pub(crate) fn file_of(&self, part: PartId) -> String {
        self.piece(part).map_or_else(|_| "the archive".to_owned(), |piece| piece.file.clone())
    }

    /// Reads the piece of a part; each frame is given after its digest was checked, until `each`
    /// says that nobody wants more.
    pub(crate) fn read_part(
        &self,
        part: PartId,
        mut each: impl FnMut(Frame) -> bool,
    ) -> Result<(), ArchiveError> {
        let piece = self.piece(part)?;
        let input = self.archive.open_piece(piece)?;
        let (header, mut reader) = PieceReader::open(input, &piece.file, Depth::Decompress)?;
        check::header(&header, piece, &self.archive.contents)?;
        while let Some(frame) = reader.next_frame()? {
            if !each(frame) {
                return Ok(());
            }
        }
        let summary = reader.summary();
        let summary =
            summary.ok_or_else(|| ArchiveError::damaged(&piece.file, Problem::Truncated))?;
        check::summary(summary, piece)
    }

    /// Reads a batch of large objects chunk by chunk, as tuples; gives its digest, which is the
    /// one of the manifest.
    pub(crate) fn read_batch(
        &self,
        batch: usize,
        mut each: impl FnMut(Vec<u8>) -> bool,
    ) -> Result<Sha, ArchiveError> {
        let Archive { manifest, contents, .. } = &*self.archive;
        let oids = check::objects_of_batch(contents, manifest, batch);
        let mut digest = check::BatchDigest::new(oids);
        let broken = || {
            let what = "the large objects".to_owned();
            let problem = Problem::Contradiction { with: "manifest.jsonl", what };
            ArchiveError::damaged("large-objects", problem)
        };
        let of_batch = |piece: &&manifest::Piece| {
            piece.table.is_none() && usize::try_from(piece.part) == Ok(batch)
        };
        for piece in manifest.pieces.iter().filter(of_batch) {
            let input = self.archive.open_piece(piece)?;
            let (header, mut reader) = PieceReader::open(input, &piece.file, Depth::Decompress)?;
            check::header(&header, piece, contents)?;
            let mut rows = RowCheck::of_large_objects(&piece.file);
            while let Some(frame) = reader.next_frame()? {
                let sent = |tuple| {
                    each(tuple);
                };
                if !chunks_of(frame, &mut rows, &mut digest, sent)? {
                    return Err(broken());
                }
            }
            rows.finish()?;
            check::summary(reader.summary().ok_or_else(broken)?, piece)?;
        }
        let expected = manifest.large_objects.get(batch).map(|batch| batch.sha256);
        match (digest.finish(), expected) {
            (Some(found), Some(expected)) if found == expected => Ok(found),
            _ => Err(broken()),
        }
    }

    /// The values of these sequences.
    pub(crate) fn sequences(&self, wanted: &[RelationName]) -> Vec<SequenceValue> {
        let wanted: std::collections::HashSet<_> = wanted.iter().map(to_name).collect();
        let values = self.archive.manifest.sequences.iter();
        values
            .filter(|one| wanted.contains(&one.name))
            .map(|one| SequenceValue {
                name: from_name(&one.name),
                value: one.value,
                called: one.called,
            })
            .collect()
    }
}
