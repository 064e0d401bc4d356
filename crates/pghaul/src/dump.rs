//! A database into an archive: one moment, in parallel, published only when it is whole.
//!
//! Invariants: all rows are read under one snapshot, or under two that are proven to be the same;
//! an archive gets its manifest only after every file of it was read back and found right; what
//! was interrupted is kept and gone on with, and never looks like an archive; of two dumps into
//! one place only one works.

mod by_hand;
mod finish;
mod output;
mod prepare;
mod proof;
mod read;
mod shelf;
mod unfinished;
mod work;
mod workplace;

use std::io::Write;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pghaul_archive::piece::{DEFAULT_LEVEL, LEVELS};

use crate::archive::Summary;
use crate::connect::{Endpoint, Purpose};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer, Phase};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::format::FormatChoice;
use crate::run::Stop;
use crate::run::options::{Scope, jobs_within};
use crate::run::retry::{self, Budget};
use crate::state::DatabaseIdentity;
use prepare::Prepared;
use workplace::Workplace;

/// Where an archive goes.
pub enum Destination {
    /// A folder that is not there yet, that is empty, or in which a dump of this database was
    /// interrupted: then it goes on.
    Folder(PathBuf),
    /// A new folder in this one, named by database and UTC time.
    Shelf {
        /// The folder of archives.
        folder: PathBuf,
        /// How many archives of this database, and of the same scope and patterns, remain, the new
        /// one included; none: all.
        keep: Option<NonZeroUsize>,
    },
    /// One stream. Parts are read one after the other then, and nothing can be resumed.
    Stream(Box<dyn Write + Send>),
}

/// The options of a dump.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// Parts that are read at once: as many sessions.
    pub jobs: NonZeroUsize,
    /// What is carried.
    pub scope: Scope,
    /// Globs over `schema.table`; empty: all. With any, no large objects.
    pub include: Vec<String>,
    /// Globs over `schema.table`; wins over `include`.
    pub exclude: Vec<String>,
    /// Text or binary; binary is what every major from 9.6 on reads.
    pub format: FormatChoice,
    /// The level of zstd, from 1 to 19.
    pub level: i32,
    /// Bytes a second read from the source, all jobs together.
    pub max_rate: Option<NonZeroU64>,
    /// Bytes of a part, TOAST included.
    pub part_size: Option<u64>,
    /// Bytes of memory for the whole process. A dump needs [`MEMORY`] and [`memory_a_job`] for each
    /// job, and beyond that three times the largest row for each job that reads one; with a smaller
    /// budget it runs fewer jobs.
    pub memory: Option<u64>,
    /// The `pg_dump` to use, instead of the one found.
    pub pg_dump: Option<PathBuf>,
    /// A snapshot exported elsewhere, instead of one's own.
    pub snapshot: Option<String>,
    /// How often in a row a part may fail, without a finished piece in between.
    pub attempts: u32,
    /// How often anything may be tried again, all together.
    pub retries: u32,
}

impl Default for DumpOptions {
    fn default() -> Self {
        Self {
            jobs: NonZeroUsize::MIN.saturating_add(3),
            scope: Scope::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            format: FormatChoice::default(),
            level: DEFAULT_LEVEL,
            max_rate: None,
            part_size: None,
            memory: None,
            pg_dump: None,
            snapshot: None,
            attempts: 10,
            retries: 1000,
        }
    }
}

/// What a dump needs at least, in bytes, whatever the size of the database.
pub const MEMORY: u64 = 40 << 20;

/// What each job needs beyond that, in bytes: a frame that is filled, one that is compressed, and
/// zstd's own tables, which grow with the level.
pub fn memory_a_job(level: i32) -> u64 {
    let tables = match level {
        ..=3 => 6,
        4..=9 => 30,
        10..=15 => 80,
        16.. => 120,
    };
    (14 + tables) << 20
}

/// What a dump came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DumpOutcome {
    /// The database that was read.
    pub source: DatabaseIdentity,
    /// The archive; none if it was stopped before its end, or is a stream.
    pub folder: Option<PathBuf>,
    /// What the finished archive says of itself; none if it was stopped.
    pub archive: Option<Summary>,
    /// The tables in it.
    pub tables: Vec<DumpedTable>,
    /// Whether an earlier process began it.
    pub resumed: bool,
    /// Why all rows are of one moment.
    pub consistency: &'static str,
    /// Older archives that were removed.
    pub removed: Vec<PathBuf>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// How long each phase took.
    pub phases: Vec<(Phase, Duration)>,
}

impl DumpOutcome {
    /// Whether anything of severity warning or worse was found.
    pub fn has_warnings(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity >= Severity::Warning)
    }
}

/// A table in an archive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DumpedTable {
    /// Its name.
    pub name: RelationName,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its rows as COPY stream, uncompressed.
    pub bytes: u64,
    /// Its digest, in hex, and the kind of image it is of.
    pub digest: (String, &'static str),
}

/// Makes an archive of a database. Verified before it is published: all of it was read back from
/// where it was written; a stream is verified by whoever reads it.
///
/// # Errors
/// [`ErrorKind::Connect`], [`ErrorKind::Preflight`], [`ErrorKind::Usage`]: nothing was written.
/// [`ErrorKind::RunState`]: the place holds something else, or another dump works there.
/// [`ErrorKind::SnapshotGone`]: what was read cannot be completed any more. [`ErrorKind::LocalIo`],
/// [`ErrorKind::Transfer`]: what is finished is kept, the same call goes on with it.
pub async fn dump(
    source: Endpoint,
    to: Destination,
    options: DumpOptions,
    company: (Arc<dyn Observer>, Arc<Counters>, Stop),
) -> Result<DumpOutcome, Error> {
    // Boxed: the future is large, and its callers' need not be.
    Box::pin(dump_to(source, to, options, company)).await
}

async fn dump_to(
    source: Endpoint,
    to: Destination,
    options: DumpOptions,
    (observer, counters, stop): (Arc<dyn Observer>, Arc<Counters>, Stop),
) -> Result<DumpOutcome, Error> {
    if !LEVELS.contains(&options.level) {
        let (least, most) = (LEVELS.start(), LEVELS.end());
        return Err(Error::new(
            ErrorKind::Usage,
            format!("a level of compression is between {least} and {most}, not {}", options.level),
        ));
    }
    let needs = ("a dump", MEMORY, memory_a_job(options.level));
    let options =
        DumpOptions { jobs: jobs_within(options.memory, options.jobs, needs)?, ..options };
    let look = source.connect(Purpose::Catalog, "dump").await?;
    let identity = DatabaseIdentity::of(&look, &source);
    drop(look);
    let mut shelf = None;
    let (place, options) = match to {
        Destination::Folder(path) => (Workplace::folder(path)?, options),
        Destination::Shelf { folder, keep } => {
            let kept = shelf.insert(shelf::Shelf::open(
                folder,
                keep,
                (&identity, prepare::asked(&options)),
            )?);
            (Workplace::folder(kept.new_archive())?, options)
        }
        Destination::Stream(output) => {
            (Workplace::stream(output), DumpOptions { jobs: NonZeroUsize::MIN, ..options })
        }
    };
    let place = Arc::new(place);
    let source = Arc::new(source);
    let budget = Budget::new(options.retries);
    let mut attempt = 0;
    let mut pieces = 0;
    let resumed = place.unfinished()?.is_some();
    let mut outcome = loop {
        let tried = async {
            observer.on_event(&Event::PhaseStarted(Phase::Prepare));
            let prepared = Prepared::new(&source, &place, &options).await?;
            let company = (Arc::clone(&observer), Arc::clone(&counters), stop.clone());
            prepared.carry_out(&place, &options, company).await
        };
        let error = match Box::pin(tried).await {
            Ok(outcome) => break outcome,
            Err(error) => error,
        };
        let now = place.finished_pieces();
        if now > pieces {
            (pieces, attempt) = (now, 0);
        }
        attempt += 1;
        // Without its snapshot a dump goes on as it would in another process: once.
        let gone = error.kind() == ErrorKind::SnapshotGone && attempt == 1;
        let again = gone || retry::is_worth_another_try(&error);
        let give_up = !again
            || attempt >= options.attempts
            || stop.soon.is_cancelled()
            || !place.can_go_on()
            || !budget.take();
        if give_up {
            return Err(place.named(error));
        }
        let after = retry::pause(attempt, 0);
        observer.on_event(&Event::Retrying { what: &error.in_one_line(), after });
        tokio::select! {
            () = tokio::time::sleep(after) => {}
            () = stop.soon.cancelled() => return Err(place.named(error)),
        }
    };
    outcome.resumed = resumed;
    // Older archives stay as long as the new one is not finished.
    if outcome.archive.is_some()
        && let (Some(shelf), Some(folder)) = (shelf, &outcome.folder)
    {
        let (removed, findings) = shelf.tidy(folder).await?;
        outcome.removed = removed;
        outcome.findings.extend(findings);
    }
    Ok(outcome)
}
