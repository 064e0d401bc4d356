//! `pghaul duplicates`: a verb for each step.

pub mod plan;
pub mod repair;
pub mod scan;
pub mod undo;

use clap::{Args, Subcommand};

use crate::console::Console;
use crate::exit::Exit;

/// Flags of `duplicates`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs below `duplicates`.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Find all groups of rows that share the key of a unique index; reads only the tables
    Scan(scan::Flags),
    /// Write down what a repair would do, row by row; writes nothing to the database
    Plan(plan::Flags),
    /// Do what a plan says, or go on with it; every row that goes or changes is kept for undo
    Repair(repair::Flags),
    /// Put everything back as it was before the last repair
    Undo(undo::Flags),
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    match &flags.verb {
        Verb::Scan(flags) => Box::pin(scan::run(flags, console)).await,
        Verb::Plan(flags) => Box::pin(plan::run(flags, console)).await,
        Verb::Repair(flags) => Box::pin(repair::run(flags, console)).await,
        Verb::Undo(flags) => Box::pin(undo::run(flags, console)).await,
    }
}
