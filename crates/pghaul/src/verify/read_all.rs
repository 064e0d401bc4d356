//! Reads all tables of both sides, by parts, several at once.
//!
//! Invariants: both sides are read at the same time, each by its own sessions under its own
//! snapshot, so neither waits for the other; a part that fails is read again as a whole, and only
//! then counts; a table that cannot be read is a finding, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pghaul_archive::name::Sha;
use pghaul_rows::TableDigest;
use tokio::task::JoinSet;

use super::company::Company;
use super::known::{Known, ReadPart, how, left as left_of, place};
use super::moment::{Moment, SideAt};
use super::options::Depth;
use super::outcome::VerifiedTable;
use super::pairs::{PairKind, TablePair};
use super::reading::{Blocks, DigestedBy, Reading, SideTable};
use crate::connect::{Session, Side};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::parts::split;

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
    /// The source first.
    sides: [SideTotal; 2],
    failed: bool,
}

/// What is known of it on one side.
#[derive(Debug, Default, Clone, Copy)]
struct SideTotal {
    digest: TableDigest,
    /// All rows, also where only a sample is digested.
    rows: u64,
    /// Tasks in all.
    tasks: usize,
    /// Tasks that are not done.
    left: usize,
}

impl Totals {
    fn is_whole(&self) -> bool {
        self.sides.iter().all(|side| side.left == 0)
    }
}

type Done = BTreeMap<RelationName, VerifiedTable>;

/// The places of the pairs that are not done yet.
fn left(moment: &Moment, known: &Known) -> Vec<usize> {
    let tables = &moment.pairs.tables;
    (0..tables.len()).filter(|at| !known.tables.contains_key(&tables[*at].name)).collect()
}

/// How many parts there are to read on the source.
pub(super) fn parts(moment: &Moment, known: &Known) -> usize {
    tasks(moment, known, &left(moment, known), Side::Source).len()
}

/// What is to be read of these pairs, but for what was.
fn tasks(moment: &Moment, known: &Known, pairs: &[usize], which: Side) -> Vec<Task> {
    let side = at_side(moment, which);
    let mut all = Vec::new();
    for at in pairs {
        let pair = &moment.pairs.tables[*at];
        for (place, heap) in table_of(pair, which).heaps.iter().enumerate() {
            let mut parts = Vec::new();
            let splittable = heap.has_ctid && heap.condition.is_empty();
            split(&mut parts, place, heap.heap_bytes, heap.bytes, splittable, side.sizing);
            let read = known.of_heap(&pair.name, which, &heap.name);
            for part in parts {
                let whole = Blocks { from: part.from, until: part.until };
                let rest = left_of(whole, &read).into_iter();
                let bytes = part.bytes;
                all.extend(rest.map(|blocks| Task { pair: *at, heap: place, blocks, bytes }));
            }
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

/// Small ones together, the biggest first; those that need a search path of their own by themselves.
fn batches(tasks: Vec<Task>, moment: &Moment, side: Side) -> Vec<Vec<Task>> {
    let searches =
        |task: &Task| table_of(&moment.pairs.tables[task.pair], side).format.search_path.is_some();
    let (searching, mut tasks): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(searches);
    tasks.sort_by_key(|task| std::cmp::Reverse(task.bytes));
    let small = tasks.partition_point(|task| task.bytes > SMALL);
    let (big, small) = tasks.split_at(small);
    let alone = big.iter().chain(&searching).map(|task| vec![*task]);
    alone.chain(small.chunks(TOGETHER).map(<[Task]>::to_vec)).collect()
}

/// Everything that the readers of both sides share.
struct Work {
    company: Arc<Company>,
    moment: Arc<Moment>,
    /// The number of the moment.
    number: u32,
    queues: [(Vec<Vec<Task>>, AtomicUsize); 2],
    /// How each pair of the moment is read.
    hows: Vec<Sha>,
    /// One for each pair of the moment.
    totals: Mutex<Vec<Totals>>,
    results: Mutex<Results>,
}

/// What was read.
#[derive(Default)]
struct Results {
    tables: Vec<VerifiedTable>,
    parts: Vec<(usize, Side, ReadPart)>,
}

/// Reads what is not known yet, and says of each table whether it is equal.
pub(super) async fn read_all(
    company: &Arc<Company>,
    moment: &Arc<Moment>,
    known: &mut Known,
) -> Result<(), Error> {
    let pairs = left(moment, known);
    let queues = [Side::Source, Side::Target]
        .map(|side| batches(tasks(moment, known, &pairs, side), moment, side));
    let work = Arc::new(Work {
        company: Arc::clone(company),
        moment: Arc::clone(moment),
        number: known.moment(),
        totals: Mutex::new(totals(moment, known, &queues)),
        queues: queues.map(|queue| (queue, AtomicUsize::new(0))),
        hows: moment.pairs.tables.iter().map(how).collect(),
        results: Mutex::default(),
    });
    work.finish_whole(&pairs)?;
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
    let results = std::mem::take(&mut *work.results());
    for (pair, side, part) in results.parts {
        known.add(&moment.pairs.tables[pair].name, side, part);
    }
    for table in results.tables {
        known.parts.remove(&table.name);
        known.tables.insert(table.name.clone(), table);
    }
    first_failure.map_or(Ok(()), Err)
}

/// What is known of each pair, and how many tasks it has.
fn totals(moment: &Moment, known: &Known, queues: &[Vec<Vec<Task>>; 2]) -> Vec<Totals> {
    let sides = [Side::Source, Side::Target];
    let before = |pair: &TablePair| Totals {
        sides: sides.map(|side| {
            let mut total = SideTotal::default();
            for part in known.of(&pair.name, side) {
                total.digest.add(part.digest);
                total.rows += part.rows;
            }
            total
        }),
        failed: false,
    };
    let mut totals: Vec<Totals> = moment.pairs.tables.iter().map(before).collect();
    for (side, queue) in queues.iter().enumerate() {
        for task in queue.iter().flatten() {
            let total = &mut totals[task.pair].sides[side];
            total.tasks += 1;
            total.left += 1;
        }
    }
    totals
}

impl Work {
    /// Tables without anything to read: partitioned ones without partitions, and those whose parts
    /// are known.
    fn finish_whole(&self, pairs: &[usize]) -> Result<(), Error> {
        let totals = self.totals();
        for at in pairs {
            let (pair, total) = (&self.moment.pairs.tables[*at], &totals[*at]);
            let source = total.sides[0];
            if source.left == 0 && source.rows > 0 {
                let (table, rows) = (&pair.name, source.rows);
                self.company.observer.on_event(&Event::TableCopied { table, rows });
            }
            if total.is_whole() {
                self.conclude(*at, total)?;
            }
        }
        Ok(())
    }

    fn add(
        &self,
        side: Side,
        task: &Task,
        (digest, rows): (TableDigest, u64),
    ) -> Result<(), Error> {
        let pair = &self.moment.pairs.tables[task.pair];
        let mut totals = self.totals();
        let total = &mut totals[task.pair];
        let one = &mut total.sides[place(side)];
        one.digest.add(digest);
        one.rows += rows;
        one.left -= 1;
        let one = *one;
        if let Some(heap) = table_of(pair, side).heaps.get(task.heap) {
            let Blocks { from, until } = task.blocks;
            let how = self.hows[task.pair];
            let part = ReadPart { heap: heap.name.clone(), from, until, rows, digest, how };
            // A small table is read again as soon as its line is.
            let large = task.bytes > SMALL || one.tasks > 1;
            if let Some(journal) = &self.company.journal
                && large
            {
                journal.part(&pair.name, side, (&part, &self.moment.instants()))?;
            }
            self.results().parts.push((task.pair, side, part));
        }
        if side == Side::Source {
            self.company.counters.rows_read.fetch_add(rows, Ordering::Relaxed);
            let table = &pair.name;
            // Of a table's bytes as they are on disk, since a server that digests sends none.
            self.company.observer.on_event(&Event::PieceCommitted {
                table,
                rows,
                bytes: task.bytes,
            });
            if one.left == 0 {
                self.company.observer.on_event(&Event::TableCopied { table, rows: one.rows });
            }
        }
        if total.is_whole() { self.conclude(task.pair, total) } else { Ok(()) }
    }

    fn fail(&self, side: Side, task: &Task, error: &Error) -> Result<(), Error> {
        let pair = &self.moment.pairs.tables[task.pair];
        let mut totals = self.totals();
        let total = &mut totals[task.pair];
        total.sides[place(side)].left -= 1;
        if !std::mem::replace(&mut total.failed, true) {
            self.company.find(not_compared(&pair.name, error));
        }
        if total.is_whole() { self.conclude(task.pair, total) } else { Ok(()) }
    }

    /// All parts of both sides are read.
    fn conclude(&self, at: usize, total: &Totals) -> Result<(), Error> {
        if total.failed {
            return Ok(());
        }
        let pair = &self.moment.pairs.tables[at];
        let [source, target] = total.sides;
        let counted = self.company.options.depth == Depth::Rows;
        let equal = source.digest == target.digest && source.rows == target.rows;
        let digest = |side: SideTotal| {
            let lanes = if counted { [0; 2] } else { side.digest.lanes };
            TableDigest { rows: side.rows, lanes }
        };
        let table = VerifiedTable {
            name: pair.name.clone(),
            kind: pair.kind,
            source: digest(source),
            target: digest(target),
            digest_kind: (!counted).then(|| pair.source.image_kind()),
            bytes: pair.source.bytes(),
            equal,
            sampled: pair.sampled,
            key: pair.key.clone(),
            named: 0,
            all_named: equal,
            recheck: None,
            moment: self.number,
        };
        if let Some(journal) = &self.company.journal
            && equal
        {
            journal.equal(&table, self.hows[at])?;
        }
        if equal || !undecided(pair) {
            self.company.observer.on_event(&Event::TableVerified { table: &pair.name, equal });
        }
        self.results().tables.push(table);
        Ok(())
    }

    fn totals(&self) -> MutexGuard<'_, Vec<Totals>> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
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
                Ok(read) => self.add_all(batch, read)?,
                // One of many: each alone, so that only the one that fails is left out.
                Err(error) if batch.len() > 1 && !ends_all(&error) => {
                    for task in batch {
                        match self.try_until_done(std::slice::from_ref(task)).await {
                            Err(error) if !ends_all(&error) => {
                                work.fail(self.side, task, &error)?;
                            }
                            read => self.add_all(std::slice::from_ref(task), read?)?,
                        }
                    }
                }
                Err(error) if !ends_all(&error) => work.fail(self.side, &batch[0], &error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add_all(&self, batch: &[Task], read: Vec<(TableDigest, u64)>) -> Result<(), Error> {
        let mut tasks = batch.iter().zip(read);
        tasks.try_for_each(|(task, result)| self.work.add(self.side, task, result))
    }

    async fn try_until_done(&mut self, batch: &[Task]) -> Result<Vec<(TableDigest, u64)>, Error> {
        let company = Arc::clone(&self.work.company);
        let mut attempts = company.attempts(self.name.len() as u64);
        loop {
            let error = match self.read(batch).await {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            // A session in an unknown state is not used again.
            self.session = None;
            attempts.after(error).await?;
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
    let text = format!("could not be compared: {}", error.in_one_line());
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
