//! `pghaul clone`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::plan::format::FormatChoice;
use pghaul::run::options::{Deferred, Keep, Scope, SourceUse, Start, Verify};
use pghaul::run::{CloneOptions, Outcome, PreparedClone};
use pghaul::state::DatabaseIdentity;

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::{Patience, Source, Target};
use crate::progress::{Kept, Progress, SoFar};
use crate::quantity::parse_size;
use crate::report;
use crate::signals::{Signal, Watch};

const VERB: &str = "clone";

/// Flags of `clone`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    target: Target,
    /// Print what would be done, and do nothing
    #[arg(long, help_heading = "The run")]
    dry_run: bool,
    /// Go on with the run that is in the target, with the options it began with
    #[arg(long, help_heading = "The run")]
    resume: bool,
    /// Forget the run that is in the target: drop exactly what it created, without CASCADE, and
    /// begin again
    #[arg(long, conflicts_with_all = ["resume", "dry_run"], help_heading = "The run")]
    restart: bool,
    /// With --resume: begin again for the tables that match this glob (repeatable)
    #[arg(long, value_name = "PATTERN", requires = "resume", help_heading = "The run")]
    restart_tables: Vec<String>,
    /// Read under this snapshot, exported by another session, instead of one's own
    #[arg(long, value_name = "ID", help_heading = "The run")]
    snapshot: Option<String>,

    /// Only tables that match this glob over schema.table (repeatable)
    #[arg(
        long,
        conflicts_with = "resume",
        value_name = "PATTERN",
        help_heading = "What is carried"
    )]
    include: Vec<String>,
    /// No tables that match this glob; wins over --include (repeatable)
    #[arg(
        long,
        conflicts_with = "resume",
        value_name = "PATTERN",
        help_heading = "What is carried"
    )]
    exclude: Vec<String>,
    /// Only the schema, no rows
    #[arg(long, conflicts_with_all = ["resume", "data_only"], help_heading = "What is carried")]
    schema_only: bool,
    /// Only rows, into tables that are there
    #[arg(long, conflicts_with = "resume", help_heading = "What is carried")]
    data_only: bool,
    /// Objects belong to the role that runs, not to their owners on the source
    #[arg(long, conflicts_with = "resume", help_heading = "What is carried")]
    no_owner: bool,
    /// No GRANTs and default privileges
    #[arg(long, conflicts_with = "resume", help_heading = "What is carried")]
    no_privileges: bool,
    /// Leave this for a later --resume (repeatable)
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "What is carried")]
    defer: Vec<Defer>,
    /// How rows travel; auto is binary where that is safe
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "What is carried"
    )]
    format: Format,
    /// How much is proven: full reads every row of the target back
    #[arg(
        long,
        conflicts_with = "resume",
        value_enum,
        default_value_t,
        value_name = "HOW",
        help_heading = "What is carried"
    )]
    verify: VerifyHow,
    /// The source is being written to, and that is meant: a note and not a warning
    #[arg(long, help_heading = "What is carried")]
    live_source: bool,

    /// Parts copied at once: as many sessions on each side [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    jobs: u16,
    /// Indexes and other steps built at once: as many sessions on the target [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    index_jobs: u16,
    /// Bytes a second read from the source, all jobs together, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
    /// Size of a part, TOAST included, such as 512MiB [64KiB to 1TiB]
    #[arg(long, conflicts_with = "resume", value_name = "SIZE", value_parser = part_size, help_heading = "Resources")]
    part_size: Option<u64>,
    /// Memory of the whole process, such as 64MiB; fewer jobs run if it is small [from 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Resources")]
    memory: Option<u64>,
    /// The pg_dump to use, instead of the one that is found
    #[arg(long, value_name = "PATH", help_heading = "Resources")]
    pg_dump: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Defer {
    /// Materialized views are not refreshed
    Matviews,
    /// Foreign keys check new rows only, and are validated later
    Validation,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Binary where it is safe, else text
    #[default]
    Auto,
    /// Text for every table
    Text,
    /// Binary for every table; refused where it is not safe
    Binary,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum VerifyHow {
    /// Every row is read back and compared by digest
    #[default]
    Full,
    /// Rows are counted
    Rows,
    /// Nothing is compared
    None,
}

pub(super) fn rate(text: &str) -> Result<NonZeroU64, String> {
    bounded(text, 1_000, 1_000_000_000_000, "a rate is between 1kB and 1TB a second")
        .and_then(|size| NonZeroU64::new(size).ok_or_else(String::new))
}

pub(super) fn part_size(text: &str) -> Result<u64, String> {
    bounded(text, 64 << 10, 1 << 40, "a part is between 64KiB and 1TiB")
}

fn bounded(text: &str, least: u64, most: u64, why: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (least..=most).contains(&size) { Ok(size) } else { Err(why.to_owned()) }
}

pub(super) fn jobs(count: u16) -> NonZeroUsize {
    NonZeroUsize::new(usize::from(count)).unwrap_or(NonZeroUsize::MIN)
}

impl Flags {
    fn options(&self) -> CloneOptions {
        let keep = |left_out: bool| if left_out { Keep::LeaveOut } else { Keep::AsIs };
        CloneOptions {
            jobs: jobs(self.jobs),
            index_jobs: jobs(self.index_jobs),
            scope: match (self.schema_only, self.data_only) {
                (true, _) => Scope::SchemaOnly,
                (_, true) => Scope::DataOnly,
                (false, false) => Scope::Everything,
            },
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            owners: keep(self.no_owner),
            privileges: keep(self.no_privileges),
            verify: match self.verify {
                VerifyHow::Full => Verify::Full,
                VerifyHow::Rows => Verify::Rows,
                VerifyHow::None => Verify::None,
            },
            format: match self.format {
                Format::Auto => FormatChoice::Auto,
                Format::Text => FormatChoice::Text,
                Format::Binary => FormatChoice::Binary,
            },
            deferred: self
                .defer
                .iter()
                .map(|what| match what {
                    Defer::Matviews => Deferred::Matviews,
                    Defer::Validation => Deferred::Validation,
                })
                .collect(),
            max_rate: self.max_rate,
            part_size: self.part_size,
            memory: self.memory,
            source_use: if self.live_source { SourceUse::Live } else { SourceUse::Quiet },
            pg_dump: self.pg_dump.clone(),
            snapshot: self.snapshot.clone(),
            start: match (self.resume, self.restart) {
                (true, _) if self.restart_tables.is_empty() => Start::Resume,
                (true, _) => Start::ResumeRestarting(self.restart_tables.clone()),
                (false, true) => Start::Restart,
                (false, false) => Start::New,
            },
            attempts: self.patience.attempts,
            retries_per_run: self.patience.retries,
        }
    }
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    let connect = || {
        Ok((
            Endpoint::parse(Side::Source, &flags.source.source)?,
            Endpoint::parse(Side::Target, &flags.target.target)?,
        ))
    };
    let (source, target) = match connect() {
        Ok(both) => both,
        Err(error) => return report::clone::failed(console, VERB, begun.elapsed(), &error, None),
    };
    if flags.dry_run {
        return dry_run(source, target, flags.options(), console).await;
    }
    clone(VERB, (source, target), flags.options(), console).await
}

/// What a clone was, for the report.
pub struct Cloned {
    /// The database that was read.
    pub source: DatabaseIdentity,
    /// The database that was written.
    pub target: DatabaseIdentity,
    /// From the first connection to the end.
    pub took: Duration,
    /// The time before anything was written.
    pub prepared_in: Duration,
    /// What the engine says.
    pub outcome: Outcome,
    /// What stopped it, if anything did.
    pub signal: Option<Signal>,
}

/// Clones with progress and signals, prints the result, and says how it ended.
pub async fn clone(
    verb: &'static str,
    (source, target): (Endpoint, Endpoint),
    options: CloneOptions,
    console: &Console,
) -> Exit {
    let begun = Instant::now();
    match carry(source, target, options, console).await {
        Ok(cloned) => report::clone::done(console, verb, &cloned),
        Err(Unfinished::Failed(error, so_far)) => {
            report::clone::failed(console, verb, begun.elapsed(), &error, so_far.as_ref())
        }
        Err(Unfinished::Stopped(signal, kept)) => {
            report::clone::stopped(console, verb, begun.elapsed(), signal, kept.as_ref())
        }
    }
}

/// Why a clone has no outcome.
pub enum Unfinished {
    /// It failed; what is kept and was found, once anything was written.
    Failed(Error, Option<SoFar>),
    /// It was stopped at once, or before anything was written.
    Stopped(Option<Signal>, Option<Kept>),
}

/// Clones with progress and signals; the caller prints.
///
/// # Errors
/// A failure, or that it was stopped at once.
pub async fn carry(
    source: Endpoint,
    target: Endpoint,
    options: CloneOptions,
    console: &Console,
) -> Result<Cloned, Unfinished> {
    let prepare = Box::pin(PreparedClone::new(source, target, options.clone()));
    carry_prepared(prepare, options, console).await
}

/// Carries out what `prepare` gives, with progress and signals; the caller prints.
pub(super) async fn carry_prepared(
    prepare: impl Future<Output = Result<PreparedClone, Error>>,
    options: CloneOptions,
    console: &Console,
) -> Result<Cloned, Unfinished> {
    let begun = Instant::now();
    let watch = Watch::start().map_err(|error| Unfinished::Failed(error, None))?;
    let counters = Arc::new(Counters::default());
    let (progress, display) = Progress::start(console, Arc::clone(&counters), &options);
    watch.speak_through(progress.voice());
    let prepared = tokio::select! {
        biased;
        () = watch.stop.soon.cancelled() => None,
        prepared = prepare => Some(prepared),
    };
    let prepared = match prepared {
        Some(Ok(prepared)) => prepared,
        Some(Err(error)) => {
            display.finish();
            return Err(Unfinished::Failed(error, None));
        }
        None => {
            display.finish();
            return Err(Unfinished::Stopped(watch.signal(), None));
        }
    };
    let prepared_in = begun.elapsed();
    let (source, target) = prepared.identities();
    let (source, target) = (source.clone(), target.clone());
    progress.expect(&prepared);
    let done =
        Box::pin(prepared.run(Arc::clone(&progress) as _, counters, watch.stop.clone())).await;
    display.finish();
    match done {
        Ok(outcome) => Ok(Cloned {
            source,
            target,
            took: begun.elapsed(),
            prepared_in,
            outcome,
            signal: watch.signal(),
        }),
        Err(_) if watch.stop.now.is_cancelled() => {
            Err(Unfinished::Stopped(watch.signal(), progress.kept()))
        }
        Err(error) => Err(Unfinished::Failed(error, progress.so_far())),
    }
}

async fn dry_run(
    source: Endpoint,
    target: Endpoint,
    options: CloneOptions,
    console: &Console,
) -> Exit {
    let begun = Instant::now();
    match PreparedClone::new(source, target, options).await {
        Ok(prepared) => report::plan::print(console, begun.elapsed(), &prepared),
        Err(error) => report::clone::failed(console, VERB, begun.elapsed(), &error, None),
    }
}
