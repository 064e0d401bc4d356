//! `pghaul status`.

use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Target;
use crate::report;

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    target: Target,
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    let read = async {
        let target = Endpoint::parse(Side::Target, &flags.target.target)?;
        Ok((target.describe(), pghaul::status::read(&target).await?))
    };
    match read.await {
        Ok((target, status)) => {
            report::status::print(console, begun.elapsed(), &target, status.as_ref())
        }
        Err(error) => report::failure::end(console, "status", begun.elapsed(), &error),
    }
}
