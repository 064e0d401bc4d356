//! Several processes on one run: from any machine that reaches both servers.
//!
//! Invariants: a worker runs the same lanes over the same plan as the process that began the run,
//! and takes parts and steps by claims; it only joins once types, functions and tables are there;
//! its sessions keep the run's snapshot and locks too, so it outlives the process that began; it
//! may leave or die at any time, its claims go with its sessions.

use std::sync::Arc;
use std::time::Duration;

use super::claim::ClaimKey;
use super::options::{CloneOptions, Start};
use super::outcome::Outcome;
use super::prepare::PreparedClone;
use super::retry;
use super::work::Stop;
use crate::connect::{Endpoint, Purpose};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Observer};
use crate::state::{self, Presence};

/// How often to look whether the run is ready for workers.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Works on the run found in the target until nothing is left to do, or `stop` asks for the end.
/// Of `options`, the run's own decide what is carried; `jobs`, `index_jobs`, `max_rate`,
/// `pg_dump`, `attempts` and `retries_per_run` are this worker's.
///
/// Waits until the process that began the run has created what rows go into. What was found and
/// whether the run is complete is noted by that process, or by a `--resume` where it is gone.
///
/// # Errors
/// [`ErrorKind::RunState`] when there is no run, when it is finished, or when it belongs to other
/// databases; [`ErrorKind::SnapshotGone`] when nobody holds its snapshot any more; else as
/// [`PreparedClone::run`].
pub async fn join(
    source: Endpoint,
    target: Endpoint,
    options: CloneOptions,
    company: (Arc<dyn Observer>, Arc<Counters>, Stop),
) -> Result<Outcome, Error> {
    let (observer, counters, stop) = company;
    let options = CloneOptions { start: Start::Join, snapshot: None, ..options };
    let mut left = TRIES;
    let prepared = loop {
        let prepared = async {
            wait_until_ready(&target, &stop).await?;
            PreparedClone::new(source.clone(), target.clone(), options.clone()).await
        };
        match Box::pin(prepared).await {
            // Handed on at this moment, perhaps: then its new name is in the target soon.
            Err(error)
                if left > 0
                    && (error.kind() == ErrorKind::SnapshotGone
                        || retry::is_worth_another_try(&error)) =>
            {
                left -= 1;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            other => break other?,
        }
    };
    prepared.run(observer, counters, stop).await
}

/// How often to try to join, while the snapshot changes hands or a server is away.
const TRIES: u32 = 20;

/// Waits until the process that began the run has created what rows go into.
///
/// # Errors
/// As [`join`]; [`ErrorKind::RunState`] too when `stop` asks for the end before.
pub async fn wait_until_ready(target: &Endpoint, stop: &Stop) -> Result<(), Error> {
    let look = target.connect(Purpose::Catalog, "worker waits").await?;
    loop {
        if state::presence(&look).await? == Presence::Absent {
            return Err(Error::new(ErrorKind::RunState, "target: there is no run to work on")
                .with_hint("begin one with `pghaul clone`, then join it from here"));
        }
        let run = state::load(&look).await?;
        match run.phase.as_str() {
            "data" | "post-data" => return Ok(()),
            "complete" => {
                return Err(Error::new(
                    ErrorKind::RunState,
                    format!("target: run {} is complete; there is nothing left to do", run.id),
                ));
            }
            _ => {}
        }
        if ClaimKey::of_run().try_take(&look).await? {
            ClaimKey::of_run().give_back(&look).await?;
            return Err(Error::new(
                ErrorKind::RunState,
                format!("target: nobody works on run {} (phase: {})", run.id, run.phase),
            )
            .with_hint("go on with it by `pghaul clone --resume`, then join it from here"));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = stop.soon.cancelled() => {
                return Err(Error::new(ErrorKind::RunState, "stopped before the run was ready"));
            }
        }
    }
}
