//! `pghaul restore`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::restore;
use pghaul::run::options::{Deferred, Keep, Scope, Start, Verify};
use pghaul::run::{CloneOptions, Outcome};

use crate::console::{Console, Results};
use crate::exit::Exit;
use crate::flags::{Patience, Target};
use crate::progress::Progress;
use crate::quantity::parse_size;
use crate::report;
use crate::report::wire::{self, Envelope};
use crate::signals::{Signal, Watch};
use crate::verbs::clone::{Unfinished, carry_prepared, jobs, rate};

const VERB: &str = "restore";

/// Flags of `restore`.
#[derive(Debug, Args)]
pub struct Flags {
    /// The archive: a folder; `-` is one stream on stdin
    #[arg(long, value_name = "FOLDER|-", help_heading = "The archive")]
    archive: PathBuf,
    #[command(flatten)]
    target: Target,
    /// Go on with the restore that is in the target, with the options it began with; not of a stream
    #[arg(long, help_heading = "The run")]
    resume: bool,
    /// Forget the run that is in the target: drop exactly what it created, without CASCADE, and
    /// begin again
    #[arg(long, conflicts_with = "resume", help_heading = "The run")]
    restart: bool,

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

    /// Pieces loaded at once: as many sessions; a stream is loaded by one [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    jobs: u16,
    /// Indexes and other steps built at once: as many sessions [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    index_jobs: u16,
    /// Bytes a second of rows, uncompressed, all jobs together, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
    /// Memory of the whole process, such as 64MiB; fewer jobs run if it is small [from 32MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Resources")]
    memory: Option<u64>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Defer {
    /// Materialized views are not refreshed
    Matviews,
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

impl Flags {
    fn options(&self) -> CloneOptions {
        let keep = |left_out: bool| if left_out { Keep::LeaveOut } else { Keep::AsIs };
        let deferred = |what: &Defer| match what {
            Defer::Matviews => Deferred::Matviews,
        };
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
            deferred: self.defer.iter().map(deferred).collect(),
            max_rate: self.max_rate,
            memory: self.memory,
            attempts: self.patience.attempts,
            retries_per_run: self.patience.retries,
            start: match (self.resume, self.restart) {
                (true, _) => Start::Resume,
                (false, true) => Start::Restart,
                (false, false) => Start::New,
            },
            ..CloneOptions::default()
        }
    }
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    let target = match Endpoint::parse(Side::Target, &flags.target.target) {
        Ok(target) => target,
        Err(error) => {
            return report::clone::failed(console, VERB, begun.elapsed(), &error, None);
        }
    };
    if flags.archive.as_os_str() == "-" {
        return match stream(target, flags.options(), console).await {
            Ok((outcome, signal)) => stream_done(console, begun, &outcome, signal),
            Err(error) => report::failure::end(console, "restore", begun.elapsed(), &error),
        };
    }
    let options = flags.options();
    let prepare = Box::pin(restore::prepare(flags.archive.clone(), target, options.clone()));
    match carry_prepared(prepare, options, console).await {
        Ok(restored) => report::clone::done(console, VERB, &restored),
        Err(unfinished) => report_unfinished(console, begun, &unfinished),
    }
}

fn report_unfinished(console: &Console, begun: Instant, unfinished: &Unfinished) -> Exit {
    match unfinished {
        Unfinished::Failed(error, so_far) => {
            report::clone::failed(console, VERB, begun.elapsed(), error, so_far.as_ref())
        }
        Unfinished::Stopped(signal, kept) => {
            report::clone::stopped(console, VERB, begun.elapsed(), *signal, kept.as_ref())
        }
    }
}

async fn stream(
    target: Endpoint,
    options: CloneOptions,
    console: &Console,
) -> Result<(Outcome, Option<Signal>), Error> {
    let watch = Watch::start()?;
    let counters = Arc::new(Counters::default());
    let (progress, display) = Progress::start(console, Arc::clone(&counters), &options);
    watch.speak_through(progress.voice());
    let company = (Arc::clone(&progress) as _, counters, watch.stop.clone());
    let outcome = restore::restore_stream(std::io::stdin(), target, options, company).await;
    display.finish();
    Ok((outcome?, watch.signal()))
}

#[derive(serde::Serialize)]
struct Body<'a> {
    consistency: &'static str,
    tables: Vec<wire::Table<'a>>,
    indexes: usize,
    constraints: usize,
}

fn stream_done(
    console: &Console,
    begun: Instant,
    outcome: &Outcome,
    signal: Option<Signal>,
) -> Exit {
    let exit = Exit::of_outcome(outcome, signal);
    match console.results {
        Results::Json => {
            let body = Body {
                consistency: outcome.consistency,
                tables: outcome.tables.iter().map(wire::table).collect(),
                indexes: outcome.indexes,
                constraints: outcome.constraints,
            };
            let took = begun.elapsed();
            Envelope::new("restore", exit, took, &outcome.findings, body).print(console, exit)
        }
        Results::Text => {
            let text = report::clone::of_stream(outcome, begun.elapsed(), console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
    }
}
