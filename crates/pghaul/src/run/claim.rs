//! Claims: the right to work on a part or step, gone when its session dies.
//!
//! Invariants: a claim is a session advisory lock of the target (manual, 13.3.5), so there is
//! nothing to expire and nobody to elect; keys are 64 bits of SHA-256, so that two tasks of one
//! run share a key with a probability of about n²/2^65, and then merely wait for each other.

use sha2::{Digest, Sha256};

use crate::connect::Session;
use crate::error::Error;

/// The key of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClaimKey(i64);

impl ClaimKey {
    /// The right to be the one process that began the run in this database.
    pub(super) fn of_run() -> Self {
        Self::hash(&["pghaul run"])
    }

    /// The right to work on one task of a run.
    pub(super) fn of_task(run: &str, task: &str) -> Self {
        Self::hash(&["pghaul task", run, task])
    }

    fn hash(words: &[&str]) -> Self {
        let digest = Sha256::digest(words.join("\0"));
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(i64::from_be_bytes(first))
    }

    /// Takes the claim if it is free.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn try_take(self, target: &Session) -> Result<bool, Error> {
        target
            .query_one("claim a task", "select pg_catalog.pg_try_advisory_lock($1)", &[&self.0])
            .await
            .map(|row| row.get(0))
    }

    /// Waits until the claim is free, and takes it: after a lost connection, until the server has
    /// noticed that the session before is dead.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn take(self, target: &Session) -> Result<(), Error> {
        target
            .query("claim a task", "select pg_catalog.pg_advisory_lock($1)", &[&self.0])
            .await
            .map(drop)
    }

    /// Gives the claim back.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn give_back(self, target: &Session) -> Result<(), Error> {
        target
            .query("give a claim back", "select pg_catalog.pg_advisory_unlock($1)", &[&self.0])
            .await
            .map(drop)
    }
}
