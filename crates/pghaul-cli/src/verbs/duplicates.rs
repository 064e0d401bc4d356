//! `pghaul duplicates`: a verb for each step.

pub mod scan;

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
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    match &flags.verb {
        Verb::Scan(flags) => Box::pin(scan::run(flags, console)).await,
    }
}
