//! The end of a run: its state is removed once the user is satisfied.

use std::time::Duration;

use super::claim::ClaimKey;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::state::{self, Presence};

/// Whether an unfinished run may be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unfinished {
    /// It is refused: what is left to do could not be done any more.
    #[default]
    Refuse,
    /// Its state is removed; what it has copied stays, unverified and without what was left.
    GiveUp,
}

/// Removes the run's state from the target. Nothing else is touched.
///
/// # Errors
/// [`ErrorKind::RunState`] when there is no run, when one is active, or when it is unfinished.
pub async fn finish(target: &Endpoint, unfinished: Unfinished) -> Result<(), Error> {
    let control = target.connect(Purpose::Schema, "finish").await?;
    if state::presence(&control).await? == Presence::Absent {
        return Err(Error::new(ErrorKind::RunState, "target: there is no run to finish"));
    }
    // The session of a run that has just ended may still be going.
    if !ClaimKey::of_run().take_within(&control, GOING).await? {
        return Err(Error::new(ErrorKind::RunState, "target: the run is active")
            .with_hint("wait for it to end, or stop it first"));
    }
    let run = state::load(&control).await?;
    if !run.finished && unfinished == Unfinished::Refuse {
        return Err(Error::new(
            ErrorKind::RunState,
            format!("target: run {} is not finished (phase: {})", run.id, run.phase),
        )
        .with_hint(
            "go on with `pghaul clone --resume`, or give it up with `pghaul finish --force`",
        ));
    }
    drop_state(&control).await
}

/// How long to wait for another process of the run to be gone.
const GOING: Duration = Duration::from_secs(5);

async fn drop_state(control: &Session) -> Result<(), Error> {
    let sql = format!(
        "begin;\n{};\n{};\ncommit",
        include_str!("finish/quiet.sql"),
        include_str!("../state/drop.sql")
    );
    control.batch("remove the run's state", &sql).await.map_err(|error| {
        error.with_hint(
            "if an event trigger of the target forbids it, disable that for the time: ALTER EVENT TRIGGER … DISABLE",
        )
    })
}
