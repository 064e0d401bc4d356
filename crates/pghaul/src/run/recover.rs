//! A run that lost its snapshot, or the session that makes it the only one, goes on in the same
//! process: it is prepared anew, as `--resume` would do from outside.
//!
//! Invariants: going on under another snapshot passes through the same proof as a resume; a part
//! during whose reading the source server crashed twice is not read a third time; what was asked
//! to stop is not begun again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::execute::Broken;
use super::lane::Alone;
use super::ledger::Ledger;
use super::options::{CloneOptions, Start};
use super::origin::Origin;
use super::outcome::Outcome;
use super::prepare::PreparedClone;
use super::retry::{self, Budget};
use super::work::Stop;
use crate::connect::{Endpoint, Purpose};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer};
use crate::plan::PartId;
use crate::state::{self, Presence};

/// Crashes of the source server while one part was read, after which it is given up.
const CRASHES: u32 = 2;

impl PreparedClone {
    /// Carries everything out.
    ///
    /// # Errors
    /// The first failure that no attempt could mend; finished pieces and steps are kept.
    pub async fn run(
        self,
        observer: Arc<dyn Observer>,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Result<Outcome, Error> {
        // Boxed: the future of a whole run is large, and its callers' need not be.
        let ended = Box::pin(self.run_and_recover(observer, counters, stop)).await;
        // Whoever prepared it has reached both servers: one that is lost later has failed the
        // transfer.
        ended.map_err(|error| match error.kind() {
            ErrorKind::Connect => error.with_kind(ErrorKind::Transfer),
            _ => error,
        })
    }

    async fn run_and_recover(
        self,
        observer: Arc<dyn Observer>,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Result<Outcome, Error> {
        let ends = (self.origin.clone(), Endpoint::clone(&self.target));
        let mut options = self.options.clone();
        let budget = Arc::new(Budget::new(options.retries_per_run));
        let alone = Arc::new(Alone::default());
        let id = self.id();
        let mut crashes: BTreeMap<PartId, u32> = BTreeMap::new();
        let mut prepared = self;
        let mut attempt = 0;
        let ledger = Arc::new(Ledger::new(Arc::clone(&observer), prepared.stored.as_ref()));
        loop {
            let crashed_before = prepared.moment.stats_reset.clone();
            let given_up: BTreeSet<PartId> = crashes
                .iter()
                .filter(|(_, crashes)| **crashes >= CRASHES)
                .map(|(part, _)| *part)
                .collect();
            let company = (Arc::clone(&counters), stop.clone());
            let limits = (Arc::clone(&budget), given_up, Arc::clone(&alone));
            let ran = prepared.run_to_the_end(&id, company, Arc::clone(&ledger), limits).await;
            let broken = match ran {
                Ok(outcome) => return Ok(outcome),
                Err(broken) => broken,
            };
            let (mut error, suspects, progress) = match broken {
                Broken::ForGood(error) => return Err(error),
                Broken::Again { error, suspects, progress, gone_on } => {
                    if gone_on && matches!(options.start, Start::ResumeRestarting(_)) {
                        // What was to begin again has begun again.
                        options.start = Start::Resume;
                    }
                    (error, suspects, progress)
                }
            };
            if progress {
                attempt = 0;
            }
            prepared = loop {
                attempt += 1;
                let over = attempt >= options.attempts || stop.soon.is_cancelled();
                if over || !budget.take() {
                    return Err(error);
                }
                let after = retry::pause(attempt, u64::from(attempt));
                observer.on_event(&Event::Retrying { what: &error.in_one_line(), after });
                tokio::select! {
                    () = tokio::time::sleep(after) => {}
                    () = stop.soon.cancelled() => return Err(error),
                }
                let preparing = tokio::select! {
                    prepared = prepare_again(&ends, &options, &id) => prepared,
                    () = stop.soon.cancelled() => return Err(error),
                };
                match preparing {
                    Ok(prepared) => break prepared,
                    Err(failed) if retry::is_worth_another_try(&failed) => error = failed,
                    // Our own session before this one may not be gone on the server yet.
                    Err(failed) if failed.kind() == ErrorKind::RunState => error = failed,
                    // The process that began the run has to go on first.
                    Err(failed)
                        if options.start == Start::Join
                            && failed.kind() == ErrorKind::SnapshotGone =>
                    {
                        error = failed;
                    }
                    Err(failed) => return Err(in_mid_run(failed)),
                }
            };
            if prepared.moment.stats_reset != crashed_before {
                for part in suspects {
                    *crashes.entry(part).or_default() += 1;
                }
            }
        }
    }
}

/// Of a run that has begun, nothing is found beforehand any more.
fn in_mid_run(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Preflight => error.with_kind(ErrorKind::Transfer),
        _ => error,
    }
}

async fn prepare_again(
    (origin, target): &(Origin, Endpoint),
    options: &CloneOptions,
    id: &str,
) -> Result<PreparedClone, Error> {
    let start = match &options.start {
        Start::Join => Start::Join,
        begun => {
            let look = target.connect(Purpose::Schema, "recover").await?;
            let ours = state::presence(&look).await? == Presence::Ours;
            match begun {
                Start::New | Start::Restart if ours && state::load(&look).await?.id == id => {
                    Start::Resume
                }
                // What had to go is gone.
                Start::Restart if !ours => Start::New,
                begun => begun.clone(),
            }
        }
    };
    let options = CloneOptions { start, ..options.clone() };
    match origin {
        Origin::Server(source) => {
            PreparedClone::new(Endpoint::clone(source), target.clone(), options).await
        }
        Origin::Archive(archive) => {
            let archive = Arc::clone(&archive.archive);
            PreparedClone::of_archive(archive, target.clone(), options).await
        }
    }
}
