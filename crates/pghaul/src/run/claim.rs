//! Claims: the right to work on a part or step, gone when its session dies.
//!
//! Invariants: a claim is a session advisory lock of the target (manual, 13.3.5), so there is
//! nothing to expire and nobody to elect; keys are 64 bits of SHA-256, so that two tasks of one
//! run share a key with a probability of about n²/2^65, and then merely wait for each other.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::literal;

/// The key of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClaimKey(i64);

impl ClaimKey {
    /// The right to be the one process that began the run in this database.
    pub(super) fn of_run() -> Self {
        Self::hash(&["pghaul run"])
    }

    /// The right to be the one process that rebuilds indexes of this database.
    pub(crate) fn of_rebuild() -> Self {
        Self::hash(&["pghaul rebuild"])
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

    /// Shared by all sessions that write receipts of the run in this database; taken alone by a
    /// process that goes on under another snapshot, so that no receipt of the old one comes late.
    pub(super) fn of_writers() -> Self {
        Self::hash(&["pghaul writers"])
    }

    /// What no two tasks of a run may use at once, whoever works on them.
    pub(super) fn of_resource(run: &str, resource: &str) -> Self {
        Self::hash(&["pghaul resource", run, resource])
    }

    /// Takes the claim if it is free. The same session may take a claim more than once and has to
    /// give it back as often (manual, 9.28.10).
    ///
    /// # Errors
    /// What the target said.
    pub(crate) async fn try_take(self, target: &Session) -> Result<bool, Error> {
        Ok(self.try_take_and(target, "select 1").await?.is_some())
    }

    /// Takes the claim if it is free, and runs a query after that: a second statement, in the same
    /// message. A receipt that was committed before the claim became free is seen, which a single
    /// statement does not promise (its snapshot is older than the claim). None: somebody else has
    /// the claim.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn try_take_and(
        self,
        target: &Session,
        query: &str,
    ) -> Result<Option<Vec<Vec<Option<String>>>>, Error> {
        let (taken, rows) = Self::try_take_all_and(&[self], target, query).await?;
        Ok((taken == [true]).then_some(rows))
    }

    /// As [`ClaimKey::try_take_and`], for several claims at once: which of them are taken, and what
    /// the query gave, which runs whatever became of the claims.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn try_take_all_and(
        claims: &[Self],
        target: &Session,
        query: &str,
    ) -> Result<(Vec<bool>, Vec<Vec<Option<String>>>), Error> {
        let sql = format!("{}; {query}", for_each("pg_try_advisory_lock", claims));
        let mut rows = target.simple_rows("claim tasks", &sql).await?;
        let found = rows.split_off(claims.len().min(rows.len()));
        let taken = rows.iter().map(|row| row.first().is_some_and(|it| it.as_deref() == Some("t")));
        Ok((taken.collect(), found))
    }

    /// Takes the claim, waiting up to `patience` for it; false if it is not free even then.
    ///
    /// # Errors
    /// What the target said.
    pub(crate) async fn take_within(
        self,
        target: &Session,
        patience: Duration,
    ) -> Result<bool, Error> {
        let begun = Instant::now();
        loop {
            if self.try_take(target).await? {
                return Ok(true);
            }
            if begun.elapsed() >= patience {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// As [`ClaimKey::try_take_and`], and looks for the receipt of a step: none inside if it is not
    /// done.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn try_take_step(
        self,
        target: &Session,
        step: &str,
    ) -> Result<Option<Option<String>>, Error> {
        let query = format!("select result from pghaul.step where id = {}", literal(step));
        let rows = self.try_take_and(target, &query).await?;
        Ok(rows
            .map(|rows| rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())))
    }

    /// Takes the claim together with others that do the same, waiting for who has it alone.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn take_shared(self, target: &Session) -> Result<(), Error> {
        let sql = format!("select pg_catalog.pg_advisory_lock_shared({})", self.0);
        target.batch("join the writers of the run", &sql).await
    }

    /// Takes the claim alone, waiting for those who share it: somewhat longer than it takes a
    /// server to notice that a session is dead.
    ///
    /// # Errors
    /// [`ErrorKind::RunState`] when somebody who lives shares it.
    pub(super) async fn take_alone(self, target: &Session) -> Result<(), Error> {
        let sql = format!(
            "set lock_timeout = '75s'; select pg_catalog.pg_advisory_lock({}); set lock_timeout = 0",
            self.0
        );
        match target.batch("wait for other writers of the run", &sql).await {
            Err(error) if error.sqlstate() == Some("55P03") => Err(Error::new(
                ErrorKind::RunState,
                "target: workers are still at work under a snapshot that is not the run's any more",
            )
            .caused_by(error)
            .with_hint("stop these `pghaul worker` processes, then resume")),
            other => other,
        }
    }

    /// Gives the claim back.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn give_back(self, target: &Session) -> Result<(), Error> {
        Self::give_all_back(&[self], target).await
    }

    /// Gives several claims back.
    ///
    /// # Errors
    /// What the target said.
    pub(super) async fn give_all_back(claims: &[Self], target: &Session) -> Result<(), Error> {
        target.batch("give claims back", &for_each("pg_advisory_unlock", claims)).await
    }
}

/// Calls a function for each claim, in their order, and gives a row for each.
fn for_each(function: &str, claims: &[ClaimKey]) -> String {
    let keys: Vec<String> = claims.iter().map(|claim| claim.0.to_string()).collect();
    format!(
        "select pg_catalog.{function}(key) from pg_catalog.unnest('{{{}}}'::int8[]) as claim (key)",
        keys.join(",")
    )
}
