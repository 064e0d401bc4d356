//! `pghaul snapshot`: holds a snapshot until it is told to end.

use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};
use pghaul::{Error, ErrorKind, snapshot};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Source;
use crate::report;
use crate::signals::Watch;

/// Flags of `snapshot`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    source: Source,
}

/// Runs the verb: one line with the snapshot's name, and another whenever that changes.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match hold(flags, console).await {
        Ok(exit) => exit,
        Err(error) => report::failure::end(console, "snapshot", begun.elapsed(), &error),
    }
}

async fn hold(flags: &Flags, console: &Console) -> Result<Exit, Error> {
    let watch = Watch::start()?;
    let held = snapshot::hold(Endpoint::parse(Side::Source, &flags.source.source)?).await?;
    loop {
        let Some(id) = held.id() else {
            return Err(Error::new(
                ErrorKind::SnapshotGone,
                "source: the sessions that held the snapshot have ended",
            )
            .with_hint("take another one; what was read under this one cannot be joined with it"));
        };
        if let Err(exit) = console.result(&format!("{}\n", id.as_str())) {
            return Ok(exit);
        }
        tokio::select! {
            () = held.changed(Some(&id)) => {}
            // Being told to end is how this verb ends.
            () = watch.stop.soon.cancelled() => return Ok(Exit::Done),
        }
    }
}
