//! The lane's reader of the source.
//!
//! Invariants: no lane copies before every lane has its reader, or has failed to get one; a lane that
//! cannot have one because of somebody's lock gives its task back as long as another lane has a
//! reader, spends nothing of the run's budget, and ends the run only when no lane has one.

use std::time::Duration;

use tokio::sync::Barrier;

use super::super::board::Verdict;
use super::super::readers::is_barred;
use super::super::work::{Run, Sessions};
use crate::error::Error;

/// How often a lane without a reader looks whether it needs one.
const EVERY: Duration = Duration::from_millis(500);

/// How the copying lanes of a process begin: together, once their readers are there.
pub(in crate::run) struct Beginning {
    readers: usize,
    together: Barrier,
}

impl Beginning {
    /// Of so many lanes.
    pub(in crate::run) fn of(run: &Run, lanes: usize) -> Self {
        Self { readers: lanes.min(run.left_to_read().len()), together: Barrier::new(lanes) }
    }
}

impl Sessions<'_> {
    /// Opens a reader, if there is one to be opened by this lane, and waits for the others to do so.
    pub(super) async fn begin(&mut self, number: usize, beginning: &Beginning) {
        if beginning.readers == 0 {
            return;
        }
        let begin = async {
            if number <= beginning.readers {
                match self.run.open_reader(&self.lane).await {
                    Ok(reader) => self.run.readers.add_spare(reader),
                    // Any other failure will be told by the task that needs the reader.
                    Err(error) => self.barred = is_barred(&error),
                }
            }
            beginning.together.wait().await;
        };
        tokio::select! {
            () = begin => {}
            () = self.run.stop.soon.cancelled() => {}
        }
    }

    /// The source's session, inside the run's snapshot.
    pub(super) async fn open_source(&mut self) -> Result<(), Error> {
        if self.source.as_ref().is_some_and(|source| !source.is_closed()) {
            return Ok(());
        }
        self.source = self.run.readers.take_spare();
        if self.source.is_none() {
            let opened = self.run.open_reader(&self.lane).await;
            self.barred = opened.as_ref().err().is_some_and(is_barred);
            self.source = Some(opened?);
        }
        self.barred = false;
        Ok(())
    }

    /// Whether a task that reads from the source is for this lane: not if others have a reader, and it
    /// cannot have one.
    pub(super) async fn may_read(&mut self) -> bool {
        if !self.barred {
            // Why it fails is told by the task, unless somebody's lock is in the way.
            let _ = self.open_source().await;
        }
        !self.leaves_it_to_others()
    }

    /// Whether this lane is without a reader because of somebody's lock, and others have one.
    pub(super) fn leaves_it_to_others(&self) -> bool {
        self.barred && self.run.readers.alive() > 0
    }

    /// Waits for a reader, as long as another lane has one and something is left to read.
    pub(super) async fn wait_for_reader(&mut self) {
        let run = self.run;
        let over = async {
            loop {
                // So that another lane takes what this one has given back.
                tokio::time::sleep(EVERY).await;
                if run.readers.alive() == 0 || run.left_to_read().is_empty() {
                    return;
                }
            }
        };
        let opened = async {
            loop {
                match self.open_source().await {
                    Ok(()) => return,
                    Err(_) => tokio::time::sleep(EVERY).await,
                }
            }
        };
        tokio::select! {
            () = over => {}
            () = opened => {}
            () = run.stop.soon.cancelled() => {}
        }
        self.barred = false;
    }

    /// No lane can read from the source any more: the run ends, and what is done is kept.
    pub(super) fn end_reading(&self, error: Error) -> Verdict {
        let run = self.run;
        if run.board.close() {
            run.facts().failures.push(error);
        }
        Verdict::Again
    }
}
