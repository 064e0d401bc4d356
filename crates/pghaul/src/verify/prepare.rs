//! A comparison of two databases: both moments, the pairs, then everything in order.
//!
//! Invariants: nothing is written on either side; each side is read under one snapshot of its own,
//! held with locks against DDL; when a side's snapshot is lost with the sessions that held it, or with
//! the whole process, both are taken anew, and what was compared before stays compared.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::company::Company;
use super::journal::{Asked, Journal};
use super::known::{Known, Parts};
use super::moment::{Moment, keepers};
use super::options::VerifyOptions;
use super::outcome::{Resumed, TableDifferences, VerifiedTable, VerifyOutcome};
use super::pairs::Pairs;
use super::progress::Progress;
use crate::connect::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Observer};
use crate::preflight::is_same_database;
use crate::run::before::TableBefore;
use crate::run::retry::Budget;
use crate::run::{Ending, Stop};
use crate::state::DatabaseIdentity;

/// How often what is kept is made sure of.
const SYNC: Duration = Duration::from_secs(1);

/// A comparison that is ready to run: both snapshots are held, nothing is read yet.
pub struct PreparedVerify {
    options: VerifyOptions,
    endpoints: (Endpoint, Endpoint),
    identities: (DatabaseIdentity, DatabaseIdentity),
    moment: Moment,
    journal: Option<Journal>,
    known: Known,
}

impl PreparedVerify {
    /// Looks at both sides, takes both snapshots and pairs the tables; with
    /// [`VerifyOptions::state`], finds out what an interrupted comparison had compared.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Preflight`], and [`ErrorKind::Usage`] when both are
    /// one and the same database, or a pattern matches nothing on either side.
    /// [`ErrorKind::RunState`] when the file of [`VerifyOptions::state`] is in use, of another
    /// comparison, damaged or foreign, [`ErrorKind::LocalIo`] when it cannot be written.
    pub async fn new(
        source: Endpoint,
        target: Endpoint,
        options: VerifyOptions,
    ) -> Result<Self, Error> {
        let options = options.within_memory()?;
        let opened = options.state.as_deref().map(Journal::open).transpose()?;
        let (look, other) = keepers(&source, &target).await?;
        if is_same_database(&look, &other).await? {
            return Err(Error::new(
                ErrorKind::Usage,
                "source and target are the same database, which is equal to itself",
            )
            .with_hint("name two databases"));
        }
        let identities =
            (DatabaseIdentity::of(&look, &source), DatabaseIdentity::of(&other, &target));
        let met = opened
            .map(|opened| opened.meet((&identities.0, &identities.1), Asked::of(&options)))
            .transpose()?;
        let (journal, mut known) =
            met.map_or((None, Known::default()), |(journal, known)| (Some(journal), known));
        let moment = Moment::take((&source, look), (&target, other), &options).await?;
        known.go_on_at(moment.instants(), false);
        known.keep(&moment.pairs.tables);
        if let Some(journal) = &journal {
            journal.moment(&moment.instants())?;
        }
        let endpoints = (source, target);
        Ok(Self { options, endpoints, identities, moment, journal, known })
    }

    /// What there is to compare.
    pub fn pairs(&self) -> &Pairs {
        &self.moment.pairs
    }

    /// The tables that an interrupted comparison has found to be equal, and that are not read again,
    /// with their bytes on disk.
    pub fn tables_before(&self) -> Vec<TableBefore> {
        let before = |table: &VerifiedTable| TableBefore {
            name: table.name.clone(),
            rows: table.source.rows,
            bytes: table.bytes,
            copied: true,
        };
        self.known.tables.values().map(before).collect()
    }

    /// Which databases source and target are.
    pub fn identities(&self) -> (&DatabaseIdentity, &DatabaseIdentity) {
        (&self.identities.0, &self.identities.1)
    }

    /// Compares. Rows that differ go to `differences` as they are named; while its receiver is
    /// full, the comparison waits.
    ///
    /// # Errors
    /// A failure that no attempt could mend. What differs is no failure.
    pub async fn run(
        self,
        (observer, counters, stop): (Arc<dyn Observer>, Arc<Counters>, Stop),
        differences: Sender<TableDifferences>,
    ) -> Result<VerifyOutcome, Error> {
        let company = Arc::new(Company {
            budget: Budget::new(self.options.retries),
            options: self.options,
            observer,
            counters,
            stop,
            differences,
            journal: self.journal,
            found: Mutex::default(),
        });
        let (source, target) = self.endpoints;
        let parts = self.known.parts.values().flatten().map(Parts::len).sum();
        let resumed = Resumed { tables: self.known.tables.len(), parts };
        let mut progress = Progress::new(Arc::clone(&company.observer), self.known);
        let mut moment = Arc::new(self.moment);
        let work = async {
            let mut attempts = company.attempts(0);
            loop {
                let error = match Box::pin(progress.go_on(&company, &moment)).await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                };
                if error.kind() != ErrorKind::SnapshotGone {
                    return Err(error);
                }
                let lost = moment.instants();
                // On 9.6 a transaction of ours that goes on would look like somebody's write.
                moment.release();
                attempts.again(error).await?;
                let (here, there) = keepers(&source, &target).await?;
                let sides = ((&source, here), (&target, there));
                moment = Arc::new(Moment::take(sides.0, sides.1, &company.options).await?);
                progress.go_on_at(&company, &lost, &moment)?;
            }
        };
        let ended = tokio::select! {
            biased;
            () = company.stop.soon.cancelled() => None,
            () = company.stop.now.cancelled() => None,
            error = kept_safe(&company) => Some(Err(error)),
            ended = work => Some(ended),
        };
        let ending = match ended {
            None => Ending::Stopped,
            Some(Ok(())) => Ending::Complete,
            Some(Err(error)) => return Err(going_on_is_possible(&company, error).await),
        };
        match (&company.journal, ending) {
            (Some(journal), Ending::Complete) => journal.remove()?,
            (Some(journal), Ending::Stopped) => journal.sync().await?,
            (None, _) => {}
        }
        Ok(progress.outcome(ending, resumed, &company))
    }
}

/// Sees to it that what is kept stays also when the power goes; ends only if that fails.
async fn kept_safe(company: &Company) -> Error {
    loop {
        tokio::time::sleep(SYNC).await;
        if let Some(journal) = &company.journal
            && let Err(error) = journal.sync().await
        {
            return error;
        }
    }
}

/// A failure after which the same comparison can go on says so.
async fn going_on_is_possible(company: &Company, error: Error) -> Error {
    let Some(journal) = &company.journal else { return error };
    // If it cannot be written, that is known already, or of no use.
    let _ = journal.sync().await;
    let Some(path) = journal.kept() else { return error };
    let more = format!("the same comparison goes on from {}", path.display());
    match error.hint() {
        Some(hint) if hint.contains("goes on from") => error,
        Some(hint) => {
            let hint = format!("{hint}; {more}");
            error.with_hint(hint)
        }
        None => error.with_hint(more),
    }
}
