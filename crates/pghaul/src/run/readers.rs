//! The sessions that read the source's tables inside the run's snapshot, with their locks.
//!
//! A reader locks all tables, so that DDL that queues behind the keeper does not stand before the
//! reader's next table. It has to come before such DDL itself: so all readers that the copying lanes
//! will need are opened before the first row is copied, and one that has to be opened later, while
//! something is in its way, keeps no work from those that are there (see `lane/source.rs`).
//!
//! Invariant: the number of living readers counts every one from its last lock to its drop.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::board::TaskId;
use super::waits;
use super::work::{Run, Work};
use crate::connect::Session;
use crate::error::Error;
use crate::holder::Holder;
use crate::snapshot::hold_tables;

/// Above this, readers lock a table only while they read it: the lock table of a server has room
/// for some 6,400 locks by default (manual, 19.12).
const TABLES_A_READER_LOCKS: usize = 500;

/// A session inside the run's snapshot, with its locks.
pub(super) struct Reader {
    session: Session,
    alive: Arc<AtomicUsize>,
}

impl Deref for Reader {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All readers of a process.
#[derive(Default)]
pub(super) struct Readers {
    /// Opened, and in no lane yet.
    spare: Mutex<Vec<Reader>>,
    alive: Arc<AtomicUsize>,
}

impl Readers {
    /// How many live, in whatever lane.
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// Takes one that is in no lane.
    pub(super) fn take_spare(&self) -> Option<Reader> {
        let mut spare = self.spare();
        spare.retain(|reader| !reader.is_closed());
        spare.pop()
    }

    /// Gives one to whichever lane needs it first.
    pub(super) fn add_spare(&self, reader: Reader) {
        self.spare().push(reader);
    }

    /// Closes those that no lane needs any more.
    pub(super) fn close_spare(&self) {
        self.spare().clear();
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Reader>> {
        // Every change is complete before the lock is let go.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// A session inside the run's snapshot, with its locks.
    ///
    /// # Errors
    /// Those that [`is_barred`] tells: somebody's lock stands before ours, and is named.
    pub(super) async fn open_reader(&self, what: &str) -> Result<Reader, Error> {
        let hold = self.hold.as_ref().ok_or_else(super::lane::lost)?;
        let session = hold.open_reader(&format!("{} {what}", self.id)).await?;
        let source = self.origin.server().ok_or_else(super::lane::lost)?;
        if self.readers_lock_all() {
            let tables = self.plan.tables.iter().map(|table| &table.name);
            let locking = hold_tables(&session, tables);
            let waiting = (source.as_ref(), session.pid());
            let what = "a reader of the source";
            let (locked, holders) =
                waits::aloud(self.observer.as_ref(), waiting, what, locking).await;
            locked.map_err(|error| in_the_way(error, &holders))?;
        }
        self.readers.alive.fetch_add(1, Ordering::AcqRel);
        Ok(Reader { session, alive: Arc::clone(&self.readers.alive) })
    }

    fn readers_lock_all(&self) -> bool {
        self.plan.tables.len() <= TABLES_A_READER_LOCKS
    }

    /// After the last row was read: whether each reader, or else somebody for it, has held the locks on
    /// what it read all the time. Behind a table that was truncated meanwhile it has seen no rows.
    ///
    /// # Errors
    /// [`ErrorKind::SnapshotGone`](crate::ErrorKind::SnapshotGone) if not.
    pub(super) async fn ensure_locked_throughout(&self) -> Result<(), Error> {
        match &self.hold {
            Some(hold) if !self.readers_lock_all() => {
                hold.ensure_unbroken(&format!("{} end of data", self.id)).await
            }
            _ => Ok(()),
        }
    }

    /// Reads by a session that may have to wait for the lock of a table, and tells for whom.
    pub(super) async fn read_aloud<T, E>(
        &self,
        reader: &Session,
        what: &str,
        reading: impl Future<Output = Result<T, E>>,
    ) -> (Result<T, E>, Vec<Holder>) {
        match self.origin.server() {
            Some(source) if !self.readers_lock_all() => {
                let waiting = (source.as_ref(), reader.pid());
                waits::aloud(self.observer.as_ref(), waiting, what, reading).await
            }
            _ => (reading.await, Vec::new()),
        }
    }

    /// Whether a task reads from the source.
    pub(super) fn reads_source(&self, work: &Work) -> bool {
        self.origin.server().is_some() && matches!(work, Work::Part(_) | Work::LargeObjects(_))
    }

    /// Tasks that will read from the source yet; none once tasks are not handed out any more.
    pub(super) fn left_to_read(&self) -> Vec<TaskId> {
        self.board.left_of(|work| self.reads_source(work))
    }
}

/// Whether a reader was not to be had because of somebody's lock.
pub(super) fn is_barred(error: &Error) -> bool {
    error.sqlstate() == Some("55P03")
}

/// An error that says who stood in the way, if it is about a lock and that is known.
pub(super) fn in_the_way(error: Error, holders: &[Holder]) -> Error {
    if !is_barred(&error) || holders.is_empty() {
        return error;
    }
    let names: Vec<String> = holders.iter().map(Holder::to_string).collect();
    let remedies: Vec<String> = holders.iter().map(Holder::remedy).collect();
    let doing = format!(
        "source: {} stands in the way of a session that has to read the tables",
        names.join(", ")
    );
    error.while_doing(doing).with_hint(format!(
        "end it on the source ({}): it waits for the run to let go of the tables, and all who come \
         after it wait for it",
        remedies.join("; ")
    ))
}
