//! `pghaul duplicates undo`.

use std::time::Instant;

use clap::Args;
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::undo::{Indexes, UndoOptions, Undone, undo};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Database;
use crate::progress::batches::Batches;
use crate::quantity::parse_size;
use crate::report;
use crate::signals::{Signal, Watch};

/// Flags of `duplicates undo`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    database: Database,
    /// Drop the unique indexes under which the rows do not fit, and the foreign keys that need
    /// them; plain indexes take their place, and what brings them back is printed and stored
    #[arg(long)]
    drop_indexes: bool,
    /// Memory for rows that are looked at; a batch is undone as the repair did it
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size, help_heading = "Resources")]
    memory: u64,
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match work(flags, console).await {
        Ok((undone, signal)) => report::repair::undone(console, begun.elapsed(), &undone, signal),
        Err(error) => report::failure::end(console, "duplicates undo", begun.elapsed(), &error),
    }
}

async fn work(flags: &Flags, console: &Console) -> Result<(Undone, Option<Signal>), Error> {
    let database = Endpoint::parse(Side::Database, &flags.database.database)?;
    let watch = Watch::start()?;
    let indexes = if flags.drop_indexes { Indexes::Drop } else { Indexes::Keep };
    let batches = Batches::new(*console);
    let options = UndoOptions { indexes, memory: flags.memory };
    let undone = Box::pin(undo(&database, options, &batches, &watch.stop)).await?;
    Ok((undone, watch.signal()))
}
