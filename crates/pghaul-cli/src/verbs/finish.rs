//! `pghaul finish`.

use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};
use pghaul::run::{Unfinished, finish};

use crate::console::{Console, Results};
use crate::exit::Exit;
use crate::flags::Target;
use crate::report;
use crate::report::wire::{Envelope, Nothing};

/// Flags of `finish`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    target: Target,
    /// Give up an unfinished run: what it copied stays, unverified and without what was left
    #[arg(long)]
    force: bool,
    /// Forget too how repairs of duplicates are undone
    #[arg(long)]
    forget_undo: bool,
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    let unfinished = if flags.force { Unfinished::GiveUp } else { Unfinished::Refuse };
    let finished = async {
        let target = Endpoint::parse(Side::Target, &flags.target.target)?;
        // Without a run there may still be repairs to forget.
        if !flags.forget_undo || pghaul::status::read(&target).await?.is_some() {
            finish(&target, unfinished).await?;
        }
        if flags.forget_undo {
            pghaul::duplicates::repair::forget(&target).await?;
        }
        Ok(target.describe())
    };
    match (finished.await, console.results) {
        (Ok(target), Results::Text) => {
            let text =
                format!("Finished: the run's state is gone from {target}; the data stays.\n");
            console.result(&text).err().unwrap_or(Exit::Done)
        }
        (Ok(_), Results::Json) => {
            let exit = Exit::Done;
            Envelope::new("finish", exit, begun.elapsed(), &[], Nothing {}).print(console, exit)
        }
        (Err(error), _) => report::failure::end(console, "finish", begun.elapsed(), &error),
    }
}
