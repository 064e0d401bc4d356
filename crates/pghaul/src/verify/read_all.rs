//! Reads all tables of both sides, by parts, several at once.
//!
//! Invariants: both sides are read at the same time, each by its own sessions under its own
//! snapshot, so neither waits for the other; a part that fails is read again as a whole, and only
//! then counts; a table that cannot be read is a finding, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pghaul_rows::TableDigest;
use tokio::task::JoinSet;

use super::options::Depth;
use super::outcome::VerifiedTable;
use super::pairs::{PairKind, TablePair};
use super::prepare::{Company, Moment, SideAt};
use super::reading::{Blocks, DigestedBy, Reading, SideTable};
use crate::connect::{Session, Side};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::parts::split;
use crate::run::retry;

/// Parts up to this many bytes are asked for together, so that thousands of small tables do not
/// cost thousands of round trips.
const SMALL: u64 = 1 << 20;

/// So many of them.
const TOGETHER: usize = 16;

/// A part of one heap.
#[derive(Debug, Clone, Copy)]
struct Task {
    pair: usize,
    heap: usize,
    blocks: Blocks,
    bytes: u64,
}

/// What is known of one table.
#[derive(Debug, Default)]
struct Totals {
    /// Digest, number of all rows, tasks left; the source first.
    sides: [(TableDigest, u64, usize); 2],
    failed: bool,
}

type Done = BTreeMap<RelationName, VerifiedTable>;

/// The places of the pairs that are not done yet.
fn left(moment: &Moment, done: &Done) -> Vec<usize> {
    let tables = &moment.pairs.tables;
    (0..tables.len()).filter(|at| !done.contains_key(&tables[*at].name)).collect()
}

/// How many parts there are to read on the source.
pub(super) fn parts(moment: &Moment, done: &Done) -> usize {
    tasks(moment, &left(moment, done), Side::Source).len()
}

fn tasks(moment: &Moment, pairs: &[usize], which: Side) -> Vec<Task> {
    let side = at_side(moment, which);
    let mut all = Vec::new();
    for at in pairs {
        for (place, heap) in table_of(&moment.pairs.tables[*at], which).heaps.iter().enumerate() {
            let mut parts = Vec::new();
            let splittable = heap.has_ctid && heap.condition.is_empty();
            split(&mut parts, place, heap.heap_bytes, heap.bytes, splittable, side.sizing);
            all.extend(parts.iter().map(|part| Task {
                pair: *at,
                heap: place,
                blocks: Blocks { from: part.from, until: part.until },
                bytes: part.bytes,
            }));
        }
    }
    all
}

fn at_side(moment: &Moment, side: Side) -> &SideAt {
    if side == Side::Target { &moment.target } else { &moment.source }
}

fn table_of(pair: &TablePair, side: Side) -> &SideTable {
    if side == Side::Target { &pair.target } else { &pair.source }
}

/// Small ones together, the biggest first.
fn batches(mut tasks: Vec<Task>) -> Vec<Vec<Task>> {
    tasks.sort_by_key(|task| std::cmp::Reverse(task.bytes));
    let small = tasks.partition_point(|task| task.bytes > SMALL);
    let (big, small) = tasks.split_at(small);
    let alone = big.iter().map(|task| vec![*task]);
    alone.chain(small.chunks(TOGETHER).map(<[Task]>::to_vec)).collect()
}

/// Everything that the readers of both sides share.
struct Work {
    company: Arc<Company>,
    moment: Arc<Moment>,
    queues: [(Vec<Vec<Task>>, AtomicUsize); 2],
    /// One for each pair of the moment.
    totals: Mutex<Vec<Totals>>,
    results: Mutex<Vec<VerifiedTable>>,
}

/// Reads what is not done yet, and says of each table whether it is equal.
pub(super) async fn read_all(
    company: &Arc<Company>,
    moment: &Arc<Moment>,
    done: &mut Done,
) -> Result<(), Error> {
    let pairs = left(moment, done);
    let queues = [Side::Source, Side::Target].map(|side| batches(tasks(moment, &pairs, side)));
    let mut totals: Vec<Totals> = moment.pairs.tables.iter().map(|_| Totals::default()).collect();
    for (side, queue) in queues.iter().enumerate() {
        for task in queue.iter().flatten() {
            totals[task.pair].sides[side].2 += 1;
        }
    }
    let work = Arc::new(Work {
        company: Arc::clone(company),
        moment: Arc::clone(moment),
        queues: queues.map(|queue| (queue, AtomicUsize::new(0))),
        totals: Mutex::new(totals),
        results: Mutex::default(),
    });
    work.finish_empty(&pairs);
    let mut readers = JoinSet::new();
    for number in 1..=company.options.jobs.get() {
        for side in [Side::Source, Side::Target] {
            let reader = Reader {
                work: Arc::clone(&work),
                side,
                name: format!("read {number}"),
                session: None,
            };
            readers.spawn(reader.work_off());
        }
    }
    let mut first_failure = None;
    while let Some(ended) = readers.join_next().await {
        let ended = ended.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Bug, "a reader ended by a panic").caused_by(error))
        });
        if let Err(error) = ended {
            first_failure.get_or_insert(error);
            readers.abort_all();
        }
    }
    let results = std::mem::take(&mut *work.results.lock().unwrap_or_else(PoisonError::into_inner));
    done.extend(results.into_iter().map(|table| (table.name.clone(), table)));
    first_failure.map_or(Ok(()), Err)
}

impl Work {
    /// Tables without anything to read on either side: partitioned ones without partitions.
    fn finish_empty(&self, pairs: &[usize]) {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        for at in pairs {
            if totals[*at].sides.iter().all(|(.., left)| *left == 0) {
                self.conclude(&self.moment.pairs.tables[*at], &totals[*at]);
            }
        }
    }

    fn add(&self, side: Side, task: &Task, (digest, rows): (TableDigest, u64)) {
        let pair = &self.moment.pairs.tables[task.pair];
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let total = &mut totals[task.pair];
        let one = &mut total.sides[usize::from(side == Side::Target)];
        one.0.add(digest);
        one.1 += rows;
        one.2 -= 1;
        let (all_rows, whole) = (one.1, one.2 == 0);
        if side == Side::Source {
            self.company.counters.rows_read.fetch_add(rows, Ordering::Relaxed);
            let table = &pair.name;
            // Of a table's bytes as they are on disk, since a server that digests sends none.
            self.company.observer.on_event(&Event::PieceCommitted {
                table,
                rows,
                bytes: task.bytes,
            });
            if whole {
                self.company.observer.on_event(&Event::TableCopied { table, rows: all_rows });
            }
        }
        if total.sides.iter().all(|(.., left)| *left == 0) {
            self.conclude(pair, total);
        }
    }

    fn fail(&self, side: Side, task: &Task, error: &Error) {
        let pair = &self.moment.pairs.tables[task.pair];
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let total = &mut totals[task.pair];
        total.sides[usize::from(side == Side::Target)].2 -= 1;
        if !std::mem::replace(&mut total.failed, true) {
            self.company.find(not_compared(&pair.name, error));
        }
        if total.sides.iter().all(|(.., left)| *left == 0) {
            self.conclude(pair, total);
        }
    }

    /// All parts of both sides are read.
    fn conclude(&self, pair: &TablePair, total: &Totals) {
        if total.failed {
            return;
        }
        let [(source, source_rows, _), (target, target_rows, _)] = total.sides;
        let counted = self.company.options.depth == Depth::Rows;
        let equal = source == target && source_rows == target_rows;
        let named = TableDigest::default();
        let rows = |digest: TableDigest, rows| TableDigest { rows, ..digest };
        let table = VerifiedTable {
            name: pair.name.clone(),
            kind: pair.kind,
            source: if counted { rows(named, source_rows) } else { rows(source, source_rows) },
            target: if counted { rows(named, target_rows) } else { rows(target, target_rows) },
            digest_kind: (!counted).then(|| pair.source.image_kind()),
            bytes: pair.source.bytes(),
            equal,
            sampled: pair.sampled,
            key: pair.key.clone(),
            named: 0,
            all_named: equal,
            recheck: None,
        };
        if equal || !undecided(pair) {
            self.company.observer.on_event(&Event::TableVerified { table: &pair.name, equal });
        }
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push(table);
    }
}

/// Whether a difference may be one of the signs of NaN alone, which a server cannot tell.
pub(super) fn undecided(pair: &TablePair) -> bool {
    [&pair.source, &pair.target].into_iter().any(|side| match &side.digested_by {
        DigestedBy::Server(image, _) => image.sees_signs_of_nan(),
        DigestedBy::Client => false,
    })
}

/// One session of one side, opened anew after it died.
struct Reader {
    work: Arc<Work>,
    side: Side,
    name: String,
    session: Option<Session>,
}

impl Reader {
    async fn work_off(mut self) -> Result<(), Error> {
        let work = Arc::clone(&self.work);
        let (queue, next) = &work.queues[usize::from(self.side == Side::Target)];
        while let Some(batch) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            match self.try_until_done(batch).await {
                Ok(()) => {}
                // One of many: each alone, so that only the one that fails is left out.
                Err(error) if batch.len() > 1 && !ends_all(&error) => {
                    for task in batch {
                        match self.try_until_done(std::slice::from_ref(task)).await {
                            Err(error) if !ends_all(&error) => {
                                work.fail(self.side, task, &error);
                            }
                            other => other?,
                        }
                    }
                }
                Err(error) if !ends_all(&error) => work.fail(self.side, &batch[0], &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn try_until_done(&mut self, batch: &[Task]) -> Result<(), Error> {
        let company = Arc::clone(&self.work.company);
        let mut attempt = 0;
        loop {
            let error = match self.read(batch).await {
                Ok(read) => {
                    for (task, result) in batch.iter().zip(read) {
                        self.work.add(self.side, task, result);
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            // A session in an unknown state is not used again.
            self.session = None;
            attempt += 1;
            if attempt >= company.options.attempts
                || !retry::is_worth_another_try(&error)
                || !company.budget.take()
            {
                return Err(error);
            }
            let after = retry::pause(attempt, self.name.len() as u64);
            let what = format!("{error:?}");
            company.observer.on_event(&Event::Retrying { what: &what, after });
            tokio::time::sleep(after).await;
        }
    }

    async fn read(&mut self, batch: &[Task]) -> Result<Vec<(TableDigest, u64)>, Error> {
        let (work, side) = (&*self.work, self.side);
        let at = at_side(&work.moment, side);
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = Some(at.reader(&self.name).await?);
        }
        let Some(session) = &self.session else {
            return Err(Error::new(ErrorKind::Bug, "a reader lost its session"));
        };
        let each = batch.iter().map(|task| async move {
            let pair = &work.moment.pairs.tables[task.pair];
            let table = table_of(pair, side);
            let (counters, pace) = (&*work.company.counters, &at.pace);
            let reading = Reading { session, table, counters, pace };
            match work.company.options.depth {
                Depth::Rows => {
                    let counted = reading.count(task.heap, task.blocks).await?;
                    Ok((TableDigest::default(), counted.rows))
                }
                Depth::Sample(_) if pair.sampled => {
                    let counted = reading.count(task.heap, task.blocks).await?;
                    Ok((reading.digest(task.heap, task.blocks).await?, counted.rows))
                }
                Depth::Full | Depth::Sample(_) => {
                    let digest = reading.digest(task.heap, task.blocks).await?;
                    Ok((digest, digest.rows))
                }
            }
        });
        futures::future::try_join_all(each).await
    }
}

/// A table that could not be read.
pub(crate) fn not_compared(table: &RelationName, error: &Error) -> Finding {
    let remedy = error.hint().unwrap_or("mend the cause and compare again");
    let text = format!("could not be compared: {error:?}");
    Finding::new(Severity::Blocker, "not_compared", text, remedy).about(table)
}

/// What ends the whole comparison, and not only that of one table.
pub(crate) fn ends_all(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::SnapshotGone | ErrorKind::Connect | ErrorKind::Bug => true,
        _ => error.connection_lost() && error.sqlstate().is_none(),
    }
}

/// What differs, and is named or noted next: the tables whose digests are not equal.
pub(super) fn differing<'m>(moment: &'m Moment, done: &Done) -> Vec<&'m TablePair> {
    let wrong: BTreeSet<&RelationName> = done
        .values()
        .filter(|table| !table.equal && table.named == 0 && !table.all_named)
        .map(|table| &table.name)
        .collect();
    moment.pairs.tables.iter().filter(|pair| wrong.contains(&pair.name)).collect()
}

/// The finding about a table that differs.
pub(super) fn finding(table: &VerifiedTable) -> Finding {
    let counts =
        format!("{} rows on the source, {} on the target", table.source.rows, table.target.rows);
    match table.kind {
        PairKind::Tables => Finding::new(
            Severity::Warning,
            "rows_differ",
            format!("the rows differ: {counts}"),
            "look at the rows that are named, and mend the side that is wrong; if the tables are being written to, add --recheck",
        ),
        PairKind::MaterializedViews => Finding::new(
            Severity::Note,
            "matview_differs",
            format!("the materialized view holds something else: {counts}; it was computed and not copied, and what it is computed from is compared"),
            "refresh it on both sides and compare again, if its query gives the same at any time",
        ),
    }
    .about(&table.name)
}
