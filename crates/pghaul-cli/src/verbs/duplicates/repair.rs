//! `pghaul duplicates repair`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::repair::{RepairOptions, Repaired, repair};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Database;
use crate::progress::batches::Batches;
use crate::quantity::parse_size;
use crate::report;
use crate::signals::{Signal, Watch};

/// Flags of `duplicates repair`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    database: Database,
    /// What `duplicates plan` wrote
    #[arg(long, value_name = "PLAN")]
    plan: PathBuf,
    /// Rows of one transaction
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch_rows: u32,
    /// Memory for rows of the plan: with less, batches are shorter where rows are large, and tables
    /// are read more often while rows are counted anew
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size, help_heading = "Resources")]
    memory: u64,
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match work(flags, console).await {
        Ok((repaired, signal)) => {
            report::repair::repaired(console, begun.elapsed(), &repaired, signal)
        }
        Err(error) => report::failure::end(console, "duplicates repair", begun.elapsed(), &error),
    }
}

async fn work(flags: &Flags, console: &Console) -> Result<(Repaired, Option<Signal>), Error> {
    let database = Endpoint::parse(Side::Database, &flags.database.database)?;
    let watch = Watch::start()?;
    let batches = Batches::new(*console);
    let options = RepairOptions {
        batch_rows: usize::try_from(flags.batch_rows).unwrap_or(usize::MAX),
        memory: flags.memory,
    };
    let repaired = Box::pin(repair(&database, &flags.plan, options, &batches, &watch.stop)).await?;
    Ok((repaired, watch.signal()))
}
