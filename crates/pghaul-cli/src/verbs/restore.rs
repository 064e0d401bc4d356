//! `pghaul restore`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::restore;
use pghaul::run::{CloneOptions, Outcome};
use pghaul::{Error, ErrorKind};

use crate::console::{Console, Results};
use crate::exit::Exit;
use crate::flags::Target;
use crate::flags::carried::Agreement;
use crate::flags::carrying::Carrying;
use crate::flags::resources::rate;
use crate::progress::Progress;
use crate::report;
use crate::report::wire::{self, Envelope};
use crate::signals::{Signal, Watch};
use crate::verbs::clone::{Unfinished, carry_prepared, dry_run};

const VERB: &str = "restore";

/// Flags of `restore`.
#[derive(Debug, Args)]
pub struct Flags {
    /// The archive: a folder; `-` is one stream on stdin, which one session loads and which cannot
    /// be resumed
    #[arg(long, value_name = "FOLDER|-", help_heading = "The archive")]
    archive: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    carrying: Carrying,
    /// Bytes a second of rows, uncompressed, all jobs together, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
}

impl Flags {
    fn options(&self) -> CloneOptions {
        CloneOptions { max_rate: self.max_rate, ..self.carrying.options() }
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
        if flags.carrying.meeting.dry_run {
            let error = Error::new(ErrorKind::Usage, "a stream is read once, so it has no dry run")
                .with_hint("put it into a folder first");
            return report::failure::end(console, VERB, begun.elapsed(), &error);
        }
        return match stream(target, flags.options(), console).await {
            Ok((outcome, signal)) => stream_done(console, begun, &outcome, signal),
            Err(error) => report::failure::end(console, "restore", begun.elapsed(), &error),
        };
    }
    let options = flags.options();
    let prepare = Box::pin(async {
        let prepared = restore::prepare(flags.archive.clone(), target, flags.options()).await?;
        if flags.carrying.meeting.resumes() {
            flags.carrying.agree(&Agreement { shape: &prepared.shape() })?;
        }
        Ok(prepared)
    });
    if flags.carrying.meeting.dry_run {
        return dry_run(VERB, prepare, console).await;
    }
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
