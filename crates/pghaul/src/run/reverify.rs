//! The finished pieces of a run whose snapshot is gone are read again on the source and held
//! against their receipts: if all are the same, old and new pieces are of one moment.
//!
//! Invariant: nothing is copied under the new snapshot before all of this has passed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::readers::Reader;
use super::retry;
use super::work::Run;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::plan::PartId;
use crate::transfer::{again, large_objects};

/// One thing to read again.
enum Again {
    Part(PartId),
    LargeObjects(usize, String),
}

impl Again {
    fn name(&self, run: &Run) -> String {
        match self {
            Self::Part(id) => {
                let table = run.plan.parts[id.0].table;
                format!("`{}`", run.plan.tables[table].name)
            }
            Self::LargeObjects(..) => LARGE_OBJECTS.to_owned(),
        }
    }
}

/// Reads everything again that has a receipt, but for the tables of `except`.
pub(super) async fn all(
    run: &Arc<Run>,
    except: &BTreeSet<usize>,
    objects: Vec<(usize, String)>,
) -> Result<(), Error> {
    let (parts, begun) = {
        let facts = run.facts();
        let has_receipts = |id: PartId| !facts.receipts.of(id).is_empty();
        let begun = run.plan.parts.iter().filter(|part| !except.contains(&part.table));
        let begun: Vec<PartId> = begun.map(|part| part.id).filter(|id| has_receipts(*id)).collect();
        let bytes = begun.iter().map(|id| facts.receipts.bytes(*id)).sum();
        let count = begun.len();
        (begun.into_iter().map(Again::Part).collect::<Vec<_>>(), (count, bytes))
    };
    let objects = objects.into_iter().map(|(batch, digest)| Again::LargeObjects(batch, digest));
    let queue: Arc<Vec<Again>> = Arc::new(parts.into_iter().chain(objects).collect());
    let (parts, bytes) = begun;
    if parts > 0 {
        run.observer.on_event(&Event::ReadingAgain { parts, bytes });
    }
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
    if run.facts().lost.is_some() {
        return Err(super::lane::lost());
    }
    if changed.is_empty() {
        return Ok(());
    }
    let hint = if changed.contains(LARGE_OBJECTS) {
        "begin again with `pghaul clone --restart`: large objects cannot be copied again alone"
    } else {
        "copy these again under a new snapshot with --resume --restart-tables PATTERN, or everything with --restart"
    };
    let names: Vec<String> = changed.into_iter().collect();
    let names = names.join(", ");
    let message = format!("source: changed since the run began, and its snapshot is gone: {names}");
    Err(Error::new(ErrorKind::SnapshotGone, message).with_hint(hint))
}

const LARGE_OBJECTS: &str = "large objects";

/// Takes from the queue until it is empty; gives the names of what has changed. A session that dies
/// costs what it was reading, not what was read before.
async fn read(
    run: &Run,
    queue: &[Again],
    next: &AtomicUsize,
    number: usize,
) -> Result<Vec<String>, Error> {
    let mut source: Option<Reader> = None;
    let mut changed = Vec::new();
    while let Some(again) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
        let mut attempt = 0;
        let same = loop {
            let session = match source.take() {
                Some(session) => Ok(session),
                None => run.open_reader(&format!("reverify {number}")).await,
            };
            let looked = async {
                let session = session?;
                Ok((is_same(run, &session, again).await?, session))
            };
            let error: Error = match looked.await {
                Ok((same, session)) => {
                    source = Some(session);
                    break same;
                }
                Err(error) => error,
            };
            if error.kind() == ErrorKind::SnapshotGone {
                // The new one, whose sessions have died: nothing is known to have changed.
                run.facts().lost = Some(error);
                return Ok(changed);
            }
            attempt += 1;
            let give_up = attempt >= run.options.attempts
                || !retry::is_worth_another_try(&error)
                || !run.budget.take();
            if give_up {
                return Err(error);
            }
            let after = retry::pause(attempt, run.seed());
            run.observer.on_event(&Event::Retrying { what: &error.in_one_line(), after });
            tokio::time::sleep(after).await;
        };
        if !same {
            changed.push(again.name(run));
        }
    }
    Ok(changed)
}

/// Whether something is on the source what its receipt says.
async fn is_same(run: &Run, source: &Session, which: &Again) -> Result<bool, Error> {
    match which {
        Again::Part(id) => {
            let receipts = run.facts().receipts.digest(*id);
            let part = &run.plan.parts[id.0];
            let table = &run.plan.tables[part.table];
            let end = run.facts().receipts.resume_at(*id);
            let told = (&run.transfer.pace, run.transfer.counters.as_ref());
            Ok(again::digest(source, (table, part), end, told).await? == receipts)
        }
        Again::LargeObjects(batch, digest) => {
            let batch = run.large_objects.get(*batch);
            let oids: Vec<u32> = batch.into_iter().flatten().map(|object| object.oid).collect();
            match large_objects::digest(source, &oids, &run.transfer.counters).await {
                Ok(now) => Ok(now == *digest),
                Err(error) if error.sqlstate() == Some("42704") => Ok(false),
                Err(error) => Err(error),
            }
        }
    }
}
