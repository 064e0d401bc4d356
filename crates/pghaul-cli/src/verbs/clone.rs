//! `pghaul clone`.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::plan::format::FormatChoice;
use pghaul::run::options::SourceUse;
use pghaul::run::{CloneOptions, PreparedClone};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::carried::{Agreement, Format};
use crate::flags::carrying::Carrying;
use crate::flags::resources::{Program, part_size, rate};
use crate::flags::{Source, Target};
use crate::progress::{Kept, Progress, SoFar};
use crate::report;
use crate::report::clone::Cloned;
use crate::signals::{Signal, Watch};

const VERB: &str = "clone";

/// Flags of `clone`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    carrying: Carrying,
    /// Read under this snapshot, exported by another session, instead of one's own
    #[arg(long, value_name = "ID", help_heading = "The run")]
    snapshot: Option<String>,

    /// How rows travel; auto is binary where that is safe [default: auto]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "What is carried")]
    format: Option<Format>,
    /// The source is being written to, and that is meant: a note and not a warning
    #[arg(long, help_heading = "What is carried")]
    live_source: bool,

    /// Bytes a second read from the source, all jobs together, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
    /// Size of a part, TOAST included, such as 512MiB [64KiB to 1TiB]
    #[arg(long, value_name = "SIZE", value_parser = part_size, help_heading = "Resources")]
    part_size: Option<u64>,
    #[command(flatten)]
    program: Program,
}

impl Flags {
    fn options(&self) -> CloneOptions {
        CloneOptions {
            format: self.format.unwrap_or_default().into(),
            max_rate: self.max_rate,
            part_size: self.part_size,
            source_use: if self.live_source { SourceUse::Live } else { SourceUse::Quiet },
            pg_dump: self.program.pg_dump.clone(),
            snapshot: self.snapshot.clone(),
            ..self.carrying.options()
        }
    }

    /// A run that is gone on with, if it is the one that is meant.
    fn agreed(&self, prepared: PreparedClone) -> Result<PreparedClone, Error> {
        if self.carrying.meeting.resumes() {
            let shape = prepared.shape();
            let with = Agreement { shape: &shape };
            self.carrying.agree(&with)?;
            let format = self.format.map(FormatChoice::from);
            with.on("--format", format.as_ref(), |shape| &shape.format)?;
            let said = self.part_size.is_some().then_some(&self.part_size);
            with.on("--part-size", said, |shape| &shape.part_size)?;
        }
        Ok(prepared)
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
    let options = flags.options();
    let prepare = Box::pin(async {
        flags.agreed(PreparedClone::new(source, target, flags.options()).await?)
    });
    if flags.carrying.meeting.dry_run {
        return dry_run(VERB, prepare, console).await;
    }
    let carried = carry_prepared(prepare, options, console).await;
    report(VERB, begun, carried, console)
}

fn report(
    verb: &'static str,
    begun: Instant,
    carried: Result<Cloned, Unfinished>,
    console: &Console,
) -> Exit {
    match carried {
        Ok(cloned) => report::clone::done(console, verb, &cloned),
        Err(Unfinished::Failed(error, so_far)) => {
            report::clone::failed(console, verb, begun.elapsed(), &error, so_far.as_ref())
        }
        Err(Unfinished::Stopped(signal, kept)) => {
            report::clone::stopped(console, verb, begun.elapsed(), signal, kept.as_ref())
        }
    }
}

/// Clones with progress and signals, prints the result, and says how it ended.
pub async fn clone(
    verb: &'static str,
    (source, target): (Endpoint, Endpoint),
    options: CloneOptions,
    console: &Console,
) -> Exit {
    let begun = Instant::now();
    let carried = carry(source, target, options, console).await;
    report(verb, begun, carried, console)
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

/// Prints what a prepared clone would do.
pub(super) async fn dry_run(
    verb: &'static str,
    prepare: impl Future<Output = Result<PreparedClone, Error>>,
    console: &Console,
) -> Exit {
    let begun = Instant::now();
    match prepare.await {
        Ok(prepared) => report::plan::print(console, verb, begun.elapsed(), &prepared),
        Err(error) => report::clone::failed(console, verb, begun.elapsed(), &error, None),
    }
}
