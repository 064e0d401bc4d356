//! What all parts of a running comparison share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::Sender;

use super::journal::Journal;
use super::options::VerifyOptions;
use super::outcome::TableDifferences;
use crate::event::{Counters, Event, Observer};
use crate::finding::Finding;
use crate::run::Stop;
use crate::run::retry::{Attempts, Budget};

/// Options, who is told, what was found, and the file that remembers.
pub(super) struct Company {
    pub(super) options: VerifyOptions,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: Stop,
    pub(super) budget: Budget,
    pub(super) differences: Sender<TableDifferences>,
    /// Keeps what is compared, if that was asked for.
    pub(super) journal: Option<Journal>,
    pub(super) found: Mutex<Vec<Finding>>,
}

impl Company {
    pub(super) fn find(&self, finding: Finding) {
        self.observer.on_event(&Event::Found(&finding));
        self.findings().push(finding);
    }

    /// Attempts at one thing.
    pub(super) fn attempts(&self, seed: u64) -> Attempts<'_> {
        Attempts::new((self.options.attempts, &self.budget), self.observer.as_ref(), seed)
    }

    pub(super) fn findings(&self) -> MutexGuard<'_, Vec<Finding>> {
        // Every change is complete before the lock is let go.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
