//! `pghaul worker`.

use std::num::NonZeroU64;
use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};
use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Stop, worker};

use super::clone::clone;
use crate::console::Console;
use crate::exit::Exit;
use crate::flags::resources::{Lanes, Patience, Program, rate};
use crate::flags::{Source, Target};
use crate::report;

/// Flags of `worker`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    lanes: Lanes,
    /// Bytes a second read from the source by this worker, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    patience: Patience,
}

impl Flags {
    fn options(&self) -> CloneOptions {
        CloneOptions {
            jobs: self.lanes.jobs(),
            index_jobs: self.lanes.index_jobs(),
            max_rate: self.max_rate,
            pg_dump: self.program.pg_dump.clone(),
            start: Start::Join,
            attempts: self.patience.attempts,
            retries_per_run: self.patience.retries,
            ..CloneOptions::default()
        }
    }
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    let ready = async {
        let source = Endpoint::parse(Side::Source, &flags.source.source)?;
        let target = Endpoint::parse(Side::Target, &flags.target.target)?;
        worker::wait_until_ready(&target, &Stop::default()).await?;
        Ok((source, target))
    };
    match ready.await {
        Ok((source, target)) => clone("worker", (source, target), flags.options(), console).await,
        Err(error) => report::failure::end(console, "worker", begun.elapsed(), &error),
    }
}
