//! The end of a dump: all is read back from where it was written, then the manifest.
//!
//! Invariant: the manifest is written only after every piece was decompressed and its rows were
//! counted and digested again.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pghaul_archive::manifest::{Batch, File, Manifest, Piece, Sequence};
use pghaul_archive::name::{ByHand, Sha};
use pghaul_archive::{FileName, PieceKind};

use super::output::joined;
use super::work::Dumping;
use super::{DumpOutcome, DumpedTable, by_hand};
use crate::archive::whole::Whole;
use crate::archive::{Summary, failed, from_name, to_name, utc};
use crate::connect::Purpose;
use crate::error::Error;
use crate::event::{Phase, Phases};
use crate::finding::{Finding, Severity};
use crate::run::Consistency;
use crate::run::steps::{SEQUENCES_A_STATEMENT, SequenceValue, sequence_values};
use crate::state::DatabaseIdentity;
use pghaul_archive::contents;

/// What is known of a dump beside its pieces.
pub(super) struct Made {
    pub(super) identity: DatabaseIdentity,
    pub(super) consistency: Consistency,
    pub(super) findings: Vec<Finding>,
}

/// The outcome of a dump that was asked to stop.
pub(super) fn stopped(
    dumping: &Dumping,
    made: Made,
    phases: Vec<(Phase, Duration)>,
) -> DumpOutcome {
    DumpOutcome {
        source: made.identity,
        folder: dumping.place.as_folder().map(|folder| folder.path().to_owned()),
        archive: None,
        tables: Vec::new(),
        resumed: false,
        consistency: made.consistency.name(),
        removed: Vec::new(),
        findings: made.findings,
        phases,
    }
}

/// Verifies what was written and publishes it.
pub(super) async fn publish(
    dumping: Arc<Dumping>,
    mut made: Made,
    statements: &by_hand::Statements,
    jobs: NonZeroUsize,
    times: Phases,
) -> Result<DumpOutcome, Error> {
    let sequences = sequences(&dumping).await?;
    let values: Vec<Sequence> = sequences
        .iter()
        .map(|one| Sequence { name: to_name(&one.name), value: one.value, called: one.called })
        .collect();
    let mut manifest = manifest(&dumping, made.consistency, values);
    let contents = dumping.contents.to_document().map_err(failed)?;
    let files = [
        (ByHand::BeforeRows, statements.before_rows()),
        (ByHand::RowList, by_hand::rows(&manifest.pieces, &dumping.plan.tables)),
        (ByHand::LargeObjectList, by_hand::large_objects(&manifest.pieces)),
        (ByHand::AfterRows, statements.after_rows(&dumping.contents, &sequences)),
    ];
    manifest.files.push(file(FileName::Contents, &contents));
    for (name, text) in &files {
        let name = FileName::ByHand(*name);
        dumping.place.store().put(name, text.as_bytes()).map_err(failed)?;
        manifest.files.push(file(name, text.as_bytes()));
    }
    manifest.check_with(&dumping.contents).map_err(failed)?;
    let manifest = Arc::new(manifest);
    verify(&dumping, &manifest, jobs).await?;
    if dumping.stop.now.is_cancelled() {
        // Not all of it was read back, so it is not published.
        return Ok(stopped(&dumping, made, times.end()));
    }
    manifest_last(&dumping, &manifest).await?;
    made.findings.extend(dumping.plan.refreshes.iter().map(|name| {
        Finding::new(
            Severity::Note,
            "recomputed",
            "a materialized view is recomputed by a restore, its rows are not in the archive",
            "nothing",
        )
        .about(name)
    }));
    let archive = Summary::of(&manifest, &dumping.contents);
    let outcome = stopped(&dumping, made, times.end());
    let tables = dumping.contents.tables.iter().enumerate();
    Ok(DumpOutcome {
        tables: tables.map(|(at, table)| dumped(&manifest, at, table)).collect(),
        archive: Some(archive),
        ..outcome
    })
}

fn dumped(manifest: &Manifest, at: usize, table: &contents::Table) -> DumpedTable {
    let digest = manifest.table_digest(at);
    let of_table =
        |piece: &&Piece| piece.table.is_some_and(|table| usize::try_from(table) == Ok(at));
    DumpedTable {
        name: from_name(&table.name),
        rows: digest.rows,
        bytes: manifest.pieces.iter().filter(of_table).map(|piece| piece.length).sum(),
        digest: (digest.to_string(), pghaul_archive::layout::image_kind(table.format).name()),
    }
}

/// Sequences are read last, outside of the snapshot: they know no transactions, and a value that
/// is too high does no harm while one that is too low collides.
async fn sequences(dumping: &Dumping) -> Result<Vec<SequenceValue>, Error> {
    let mut values = Vec::new();
    if dumping.contents.asked.scope == contents::Scope::SchemaOnly {
        return Ok(values);
    }
    let session = dumping.source.connect(Purpose::Catalog, "dump sequences").await?;
    for names in dumping.plan.sequences.chunks(SEQUENCES_A_STATEMENT) {
        values.extend(sequence_values(&session, names).await?);
    }
    Ok(values)
}

fn manifest(dumping: &Dumping, consistency: Consistency, sequences: Vec<Sequence>) -> Manifest {
    let facts = dumping.facts();
    let pieces = facts.pieces.all.values().map(|(header, summary)| Piece {
        file: header.file().to_string(),
        bytes: summary.bytes,
        table: (header.kind == PieceKind::Rows).then_some(header.table),
        part: header.part,
        length: summary.end.length,
        rows: summary.end.digest.rows,
        lanes: summary.end.digest.to_string(),
        chain: summary.chain,
    });
    let batches = facts.batches.iter().map(|(batch, sha256)| {
        let objects = u32::try_from(dumping.oids_of(*batch).len()).unwrap_or(u32::MAX);
        Batch { objects, sha256: *sha256 }
    });
    Manifest {
        archive: dumping.contents.archive,
        finished: utc(std::time::SystemTime::now()),
        source: dumping.contents.source.clone(),
        consistency: consistency.name().to_owned(),
        files: Vec::new(),
        pieces: pieces.collect(),
        sequences,
        large_objects: batches.collect(),
    }
}

fn file(name: FileName, bytes: &[u8]) -> File {
    File { file: name.to_string(), bytes: bytes.len() as u64, sha256: Sha::of(bytes) }
}

/// Reads every piece back, several at once. A stream is gone by now.
async fn verify(
    dumping: &Arc<Dumping>,
    manifest: &Arc<Manifest>,
    jobs: NonZeroUsize,
) -> Result<(), Error> {
    let Some(folder) = dumping.place.as_folder() else { return Ok(()) };
    let archive = Whole {
        folder: folder.clone(),
        manifest: Arc::clone(manifest),
        contents: Arc::clone(&dumping.contents),
    };
    archive.check(jobs, (&dumping.counters, &dumping.stop)).await
}

async fn manifest_last(dumping: &Arc<Dumping>, manifest: &Arc<Manifest>) -> Result<(), Error> {
    let (dumping, manifest) = (Arc::clone(dumping), Arc::clone(manifest));
    let written = tokio::task::spawn_blocking(move || {
        if let Some(folder) = dumping.place.as_folder() {
            folder.flush()?;
        }
        dumping.place.store().put(FileName::Manifest, &manifest.to_document()?)?;
        dumping.place.close()
    });
    joined(written.await)?.map_err(failed)
}
