//! The finished pieces of a run whose snapshot is gone are read again on the source and held
//! against their receipts: if all are the same, old and new pieces are of one moment.
//!
//! Invariant: nothing is copied under the new snapshot before all of this has passed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use pghaul_rows::TableDigest;
use pghaul_rows::reader::{Digesting, RowReader};
use tokio::task::JoinSet;

use super::work::Run;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::plan::PartId;
use crate::transfer::{broken, large_objects};

/// One thing to read again.
enum Again {
    Part(PartId),
    LargeObjects(usize, String),
}

/// Reads everything again that has a receipt, but for the tables of `except`.
pub(super) async fn all(
    run: &Arc<Run>,
    except: &BTreeSet<usize>,
    objects: Vec<(usize, String)>,
) -> Result<(), Error> {
    let parts = {
        let facts = run.facts();
        let begun =
            run.plan.parts.iter().filter(|part| {
                !except.contains(&part.table) && !facts.receipts.of(part.id).is_empty()
            });
        begun.map(|part| Again::Part(part.id)).collect::<Vec<_>>()
    };
    let objects = objects.into_iter().map(|(batch, digest)| Again::LargeObjects(batch, digest));
    let queue: Arc<Vec<Again>> = Arc::new(parts.into_iter().chain(objects).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let mut readers = JoinSet::new();
    for number in 1..=run.options.jobs.get().min(queue.len().max(1)) {
        let (run, queue, next) = (Arc::clone(run), Arc::clone(&queue), Arc::clone(&next));
        readers.spawn(async move { read(&run, &queue, &next, number).await });
    }
    let mut changed: BTreeSet<String> = BTreeSet::new();
    while let Some(ended) = readers.join_next().await {
        let ended = ended.map_err(|error| {
            Error::new(ErrorKind::Bug, "a reader ended by a panic").caused_by(error)
        })?;
        changed.extend(ended?);
    }
    if changed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = changed.into_iter().collect();
    Err(Error::new(
        ErrorKind::SnapshotGone,
        format!("source: changed since the run began, and its snapshot is gone: {}", names.join(", ")),
    )
    .with_hint(
        "copy these again under a new snapshot with --resume --restart-tables PATTERN, or everything with --restart",
    ))
}

/// Takes from the queue until it is empty; gives the names of what has changed.
async fn read(
    run: &Run,
    queue: &[Again],
    next: &AtomicUsize,
    number: usize,
) -> Result<Vec<String>, Error> {
    let source = run.open_reader(&format!("reverify {number}")).await?;
    let mut changed = Vec::new();
    while let Some(again) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
        match again {
            Again::Part(id) => {
                let receipts = run.facts().receipts.digest(*id);
                if part(run, &source, *id).await? != receipts {
                    let table = run.plan.parts[id.0].table;
                    changed.push(format!("`{}`", run.plan.tables[table].name));
                }
            }
            Again::LargeObjects(batch, digest) => {
                let oids: Vec<u32> = run
                    .large_objects
                    .get(*batch)
                    .into_iter()
                    .flatten()
                    .map(|object| object.oid)
                    .collect();
                let counters = &run.transfer.counters;
                match large_objects::digest(&source, &oids, counters).await {
                    Ok(now) if now == *digest => {}
                    Ok(_) => changed.push("large objects".to_owned()),
                    Err(error) if error.sqlstate() == Some("42704") => {
                        changed.push("large objects".to_owned());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(changed)
}

/// The digest of the rows of a part that have receipts.
async fn part(run: &Run, source: &Session, id: PartId) -> Result<TableDigest, Error> {
    let mut part = run.plan.parts[id.0].clone();
    let table = &run.plan.tables[part.table];
    let end = run.facts().receipts.resume_at(id);
    let doing = format!("read `{}` again", table.name);
    if let Some(end) = end {
        // Up to and with the block in which the next piece begins; its own rows are left out below.
        part.until = Some(end.block.saturating_add(1));
    }
    let layout =
        if table.has_ctid { &table.format.layout } else { &table.format.layout_without_ctid };
    let statement = table.read_statement(&part, None);
    let mut stream = Box::pin(source.copy_out(&doing, &statement).await?);
    let mut reader = RowReader::new(Arc::clone(layout), Digesting::Sha256);
    let mut digest = TableDigest::default();
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| source.error(&doing, &error))?;
        reader.feed(message).map_err(|error| broken(table, error))?;
        while let Some(row) = reader.next_row().map_err(|error| broken(table, error))? {
            let counts = match (row.ctid, end) {
                (Some(ctid), Some(end)) => ctid < end,
                _ => true,
            };
            if let (true, Some(row)) = (counts, row.digest) {
                digest.add_row(row);
            }
        }
    }
    reader.finish().map_err(|error| broken(table, error))?;
    Ok(digest)
}
