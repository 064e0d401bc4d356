//! The state of a dump in a folder: what is needed to go on with it.
//!
//! Invariants: a piece counts as finished if its own records say so, and its digests fit; of a
//! piece that was interrupted the whole frames are kept, so no finished frame is read again.

use std::collections::{BTreeMap, BTreeSet};

use pghaul_archive::check::BatchDigest;
use pghaul_archive::contents::Contents;
use pghaul_archive::frame::closing;
use pghaul_archive::name::Sha;
use pghaul_archive::piece::{Depth, Summary};
use pghaul_archive::rows::{Chunk, RowCheck};
use pghaul_archive::seal::{seal, unseal};
use pghaul_archive::{
    ArchiveError, FileName, Folder, Header, NewFile, PieceKind, PieceReader, PieceWriter,
};
use pghaul_rows::{TableDigest, Tid};
use serde::{Deserialize, Serialize};

use super::DumpOptions;
use crate::archive::failed;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity, stored_code};
use crate::plan::format::FormatChoice;
use crate::plan::{Part, PartId};
use crate::run::moment::Moment;
use crate::run::options::Scope;
use crate::state::DatabaseIdentity;
use crate::transfer::large_objects::OBJECTS_A_BATCH;

/// The file that the state is in.
pub(super) const STATE: &str = "unfinished.jsonl";

const KIND: &str = "unfinished";

/// What a dump has to know of itself to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unfinished {
    pub(super) source: DatabaseIdentity,
    pub(super) asked: Asked,
    /// The name of the exported snapshot.
    pub(super) snapshot: String,
    pub(super) moment: Moment,
    pub(super) consistency: String,
    pub(super) schema_digest: String,
    pub(super) large_objects: String,
    pub(super) parts: Vec<StoredPart>,
    /// What was known before the first row was read. Dumps of pghaul 0.1 that were begun before it was
    /// stored have none.
    #[serde(default)]
    pub(super) known_before: Vec<StoredFinding>,
    /// Whether all rows were read, under a snapshot whose locks were held to the end.
    #[serde(default)]
    pub(super) all_read: bool,
}

/// Options that must be the same when it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    scope: Scope,
    include: Vec<String>,
    exclude: Vec<String>,
    format: FormatChoice,
}

impl Asked {
    pub(super) fn of(options: &DumpOptions) -> Self {
        Self {
            scope: options.scope,
            include: options.include.clone(),
            exclude: options.exclude.clone(),
            format: options.format,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredPart {
    table: usize,
    from: Option<u32>,
    until: Option<u32>,
    bytes: u64,
}

/// A note of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFinding {
    code: String,
    object: Option<String>,
    message: String,
    remedy: String,
}

impl Unfinished {
    pub(super) fn new(
        (source, asked): (DatabaseIdentity, Asked),
        (snapshot, moment): (String, Moment),
        (schema_digest, large_objects): (String, String),
        (parts, known_before): (&[Part], &[Finding]),
    ) -> Self {
        let parts = parts
            .iter()
            .map(|part| StoredPart {
                table: part.table,
                from: part.from,
                until: part.until,
                bytes: part.bytes,
            })
            .collect();
        let note = |finding: &Finding| StoredFinding {
            code: finding.code.to_owned(),
            object: finding.object.clone(),
            message: finding.message.clone(),
            remedy: finding.remedy.clone(),
        };
        Self {
            source,
            asked,
            snapshot,
            moment,
            consistency: "snapshot".to_owned(),
            schema_digest,
            large_objects,
            parts,
            known_before: known_before.iter().map(note).collect(),
            all_read: false,
        }
    }

    /// The notes of what was known before the first row was read.
    pub(super) fn known_before(&self) -> Vec<Finding> {
        let finding = |stored: &StoredFinding| Finding {
            code: stored_code(stored.code.clone()),
            severity: Severity::Note,
            object: stored.object.clone(),
            message: stored.message.clone(),
            remedy: stored.remedy.clone(),
        };
        self.known_before.iter().map(finding).collect()
    }

    pub(super) fn load(folder: &Folder) -> Result<Option<Self>, Error> {
        let path = folder.path().join(STATE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(failed(ArchiveError::io("read", path.display().to_string(), error)));
            }
        };
        unseal(KIND, &bytes).map(Some).map_err(|error| {
            Error::new(ErrorKind::RunState, "the state of the interrupted dump is damaged")
                .caused_by(error)
                .with_hint("remove the folder and begin again")
        })
    }

    pub(super) fn store(&self, folder: &Folder) -> Result<(), Error> {
        let document = seal(KIND, self).map_err(failed)?;
        folder.put_at(STATE, &document).and_then(|()| folder.flush()).map_err(failed)
    }

    /// The parts of the dump, as they were planned.
    pub(super) fn parts(&self) -> Vec<Part> {
        let part = |(at, part): (usize, &StoredPart)| Part {
            id: PartId(at),
            table: part.table,
            from: part.from,
            until: part.until,
            bytes: part.bytes,
        };
        self.parts.iter().enumerate().map(part).collect()
    }
}

/// The pieces that are there.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) all: BTreeMap<u32, (Header, Summary)>,
}

impl Pieces {
    /// Looks at all pieces of a folder: finished ones are checked, interrupted ones are closed
    /// behind their last whole frame, what is no good is removed.
    pub(super) fn find(
        folder: &Folder,
        contents: &Contents,
        level: i32,
    ) -> Result<Self, ArchiveError> {
        let mut pieces = Self::default();
        for name in folder.list()? {
            if let Ok(file @ (FileName::Rows(_) | FileName::LargeObjects(_))) = name.parse() {
                match whole(folder, file) {
                    Ok((header, summary)) => pieces.add(header, summary),
                    // Half written when the machine went down.
                    Err(ArchiveError::Damaged { .. }) => folder.remove(&name)?,
                    Err(error) => return Err(error),
                }
            }
        }
        for name in folder.list()? {
            let Some(file) = name.strip_suffix(pghaul_archive::folder::PARTIAL) else { continue };
            let parsed: Result<FileName, _> = file.parse();
            match parsed {
                Ok(parsed) => {
                    if let Some((header, summary)) = salvage(folder, contents, parsed, level)? {
                        pieces.add(header, summary);
                    }
                }
                Err(_) => folder.remove(&name)?,
            }
        }
        pieces.drop_loose_ends(folder)?;
        Ok(pieces)
    }

    pub(super) fn add(&mut self, header: Header, summary: Summary) {
        self.all.insert(header.number, (header, summary));
    }

    /// A number that no piece has had.
    pub(super) fn next_number(&self) -> u32 {
        self.all.last_key_value().map_or(1, |(last, _)| last.saturating_add(1))
    }

    /// The pieces of a part, in the order of the heap.
    pub(super) fn of_part(&self, part: usize) -> Vec<&(Header, Summary)> {
        let of_part = |header: &Header| {
            header.kind == PieceKind::Rows && usize::try_from(header.part) == Ok(part)
        };
        let mut found: Vec<_> = self.all.values().filter(|(header, _)| of_part(header)).collect();
        found.sort_by_key(|(header, _)| header.start);
        found
    }

    /// Whether a part is there whole.
    pub(super) fn is_done(&self, part: usize) -> bool {
        self.of_part(part).last().is_some_and(|(_, summary)| summary.end.next.is_none())
    }

    /// Where a part goes on.
    pub(super) fn resume_at(&self, part: usize) -> Option<Tid> {
        self.of_part(part).last().and_then(|(_, summary)| summary.end.next)
    }

    /// The digest of what is there of a part.
    pub(super) fn digest(&self, part: usize) -> TableDigest {
        let mut sum = TableDigest::default();
        for (_, summary) in self.of_part(part) {
            sum.add(summary.end.digest);
        }
        sum
    }

    /// The batches of large objects that are there whole.
    pub(super) fn batches(&self) -> BTreeSet<u32> {
        let objects = self.all.values().filter(|(h, _)| h.kind == PieceKind::LargeObjects);
        let ends = objects.filter(|(_, summary)| summary.end.next.is_none());
        ends.map(|(header, _)| header.part).collect()
    }

    /// Whether nothing is left to be read of these parts and so many large objects.
    pub(super) fn are_all(&self, parts: &[Part], large_objects: usize) -> bool {
        let batches = large_objects.div_ceil(OBJECTS_A_BATCH);
        parts.iter().all(|part| self.is_done(part.id.0)) && self.batches().len() == batches
    }

    /// Pieces of batches that are not whole go, and pieces behind a gap.
    fn drop_loose_ends(&mut self, folder: &Folder) -> Result<(), ArchiveError> {
        let batches = self.batches();
        let parts: BTreeSet<usize> = self
            .all
            .values()
            .filter(|(header, _)| header.kind == PieceKind::Rows)
            .filter_map(|(header, _)| usize::try_from(header.part).ok())
            .collect();
        let mut kept: BTreeSet<u32> = BTreeSet::new();
        for part in parts {
            let mut expected = None;
            for (header, summary) in self.of_part(part) {
                if expected.is_some_and(|start| start != Some(header.start)) {
                    break;
                }
                expected = Some(summary.end.next);
                kept.insert(header.number);
            }
        }
        let loose: Vec<FileName> = self
            .all
            .values()
            .filter(|(header, _)| match header.kind {
                PieceKind::Rows => !kept.contains(&header.number),
                PieceKind::LargeObjects => !batches.contains(&header.part),
            })
            .map(|(header, _)| header.file())
            .collect();
        self.all.retain(|_, (header, _)| !loose.contains(&header.file()));
        loose.iter().try_for_each(|file| folder.remove(&file.to_string()))
    }
}

/// Ends the interrupted file of a piece, if whole frames are in it; else it goes. Where the storage
/// refuses (it is full, say), the file stays as it is for the next try.
pub(super) fn salvage(
    folder: &Folder,
    contents: &Contents,
    file: FileName,
    level: i32,
) -> Result<Option<(Header, Summary)>, ArchiveError> {
    let name = file.to_string();
    if let FileName::Rows(_) = file {
        match close(folder, contents, &name, level) {
            Ok(Some(closed)) => return Ok(Some(closed)),
            Err(error @ ArchiveError::Io { .. }) => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    folder.remove(&format!("{name}{}", pghaul_archive::folder::PARTIAL))?;
    Ok(None)
}

/// The digest of a batch of large objects whose pieces are there.
pub(super) fn batch_digest(
    folder: &Folder,
    files: &[FileName],
    oids: Vec<u32>,
) -> Result<Option<Sha>, ArchiveError> {
    let mut digest = BatchDigest::new(oids);
    let mut fits = true;
    for file in files {
        let name = file.to_string();
        let input = std::io::BufReader::new(folder.open(*file)?);
        let (_, mut reader) = PieceReader::open(input, &name, Depth::Decompress)?;
        let mut rows = RowCheck::of_large_objects(&name);
        while let Some(frame) = reader.next_frame()? {
            rows.frame(frame, |row| {
                let tuple = row.tuple.to_bytes();
                fits &= Chunk::of_tuple(&tuple).is_some_and(|chunk| digest.chunk(chunk));
            })?;
        }
        rows.finish()?;
    }
    Ok(digest.finish().filter(|_| fits))
}

/// Reads a finished piece; its frames are hashed, not decompressed: the end of the dump does that.
fn whole(folder: &Folder, file: FileName) -> Result<(Header, Summary), ArchiveError> {
    let name = file.to_string();
    let input = std::io::BufReader::new(folder.open(file)?);
    let (header, mut reader) = PieceReader::open(input, &name, Depth::HashOnly)?;
    while reader.next_frame()?.is_some() {}
    let ended = reader.summary().filter(|_| header.file() == file);
    ended
        .map(|summary| (header, summary))
        .ok_or_else(|| ArchiveError::damaged(name, pghaul_archive::Problem::Foreign("number")))
}

/// Ends an interrupted piece behind its last whole frame; none if there is no such frame or
/// nobody knows where the next one would begin.
fn close(
    folder: &Folder,
    contents: &Contents,
    name: &str,
    level: i32,
) -> Result<Option<(Header, Summary)>, ArchiveError> {
    let input = std::io::BufReader::new(folder.open_partial(name)?);
    let (header, mut reader) = PieceReader::open(input, name, Depth::Decompress)?;
    let table = usize::try_from(header.table).ok().and_then(|at| contents.tables.get(at));
    let Some(table) = table.filter(|_| header.archive == contents.archive) else { return Ok(None) };
    let mut rows = RowCheck::of_table(table, name);
    while let Ok(Some(frame)) = reader.next_frame() {
        rows.frame(frame, |_| ())?;
    }
    if let Some(whole) = reader.summary() {
        // All that is missing is its name.
        Box::new(folder.go_on_at(name, whole.bytes)?).publish()?;
        return Ok(Some((header, whole)));
    }
    let behind = reader.whole();
    // Its last frame has the trailer: what is missing is the record of the end.
    let has_trailer = rows.finish().is_ok();
    // In a heap a frame without a next row is the last one of its part; elsewhere no frame has one.
    if behind.frames() == 0 || !table.heap || behind.next.is_none() && !has_trailer {
        return Ok(None);
    }
    drop(reader);
    let output = folder.go_on_at(name, behind.bytes)?;
    let mut writer = PieceWriter::go_on(output, &header, level, &behind)?;
    if !has_trailer {
        writer.write(&closing(header.format, behind.next))?;
    }
    let (output, summary) = writer.finish(behind.next)?;
    Box::new(output).publish()?;
    Ok(Some((header, summary)))
}

#[cfg(test)]
mod tests;
