//! What a run tells while it works: facts with a life, sent after they are durable.
//!
//! Invariants: an event about something durable is sent after its COMMIT was acknowledged; there
//! is no event per row; numbers that move all the time are counters in [`Counters`], which a
//! renderer samples.
//!
//! # What an observer can rely on
//!
//! [`PieceCommitted`](Event::PieceCommitted), [`TableCopied`](Event::TableCopied),
//! [`TableVerified`](Event::TableVerified) (where `equal`) and
//! [`StepCommitted`](Event::StepCommitted) are durable facts of the target. In one call of
//! [`PreparedClone::run`](crate::run::PreparedClone::run), each is told exactly once, whoever did
//! it (a worker's within about a second), also when the run loses its servers and prepares itself
//! anew in between. What was done before that call is not told: see
//! [`tables_before`](crate::run::PreparedClone::tables_before) and its neighbours. Only a call that
//! fails, or is stopped at once, may leave its last facts untold.
//!
//! The order: pieces of a table, in each part that of the heap; then the table copied; then the
//! table verified. A step's `StepStarted`, where this process runs it, comes before its
//! `StepCommitted`; statements of [`Phase::PreData`] have no events of their own. `PhaseStarted`
//! and `PhaseFinished` nest nothing and follow the order of [`Phase`]; after a recovery they begin
//! again with `PreData`, and `Planned` is told again. `Retrying`, `Waiting` and `Found` are not
//! durable, and come as often as it happens.
//!
//! The observer is called under a lock that keeps this order: while it does not return, others
//! wait.

mod phases;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub(crate) use phases::Phases;

use crate::connect::Side;
use crate::finding::Finding;
use crate::holder::Holder;
use crate::name::RelationName;

/// Receives events. Called from many tasks at once; must not block.
pub trait Observer: Send + Sync {
    /// One fact.
    fn on_event(&self, event: &Event<'_>);
}

/// Ignores everything.
impl Observer for () {
    fn on_event(&self, _: &Event<'_>) {}
}

/// One fact about a run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The plan is made and stored: how much there is to do.
    Planned {
        /// Tables to copy.
        tables: usize,
        /// Parts of all tables.
        parts: usize,
        /// Bytes on disk of all tables, TOAST included.
        bytes: u64,
        /// Steps: schema entries, indexes, constraints, ….
        steps: usize,
    },
    /// The tables that will be read, with their bytes on disk: where nobody has the plan.
    Tables(&'a [(RelationName, u64)]),
    /// A phase began.
    PhaseStarted(Phase),
    /// A phase ended.
    PhaseFinished(Phase, Duration),
    /// A piece is committed together with its receipt.
    PieceCommitted {
        /// The table.
        table: &'a RelationName,
        /// Rows of the piece.
        rows: u64,
        /// Bytes of the piece as they went over the wire.
        bytes: u64,
    },
    /// The last piece of a table is committed.
    TableCopied {
        /// The table.
        table: &'a RelationName,
        /// Rows of the table.
        rows: u64,
    },
    /// A table was read back from the target.
    TableVerified {
        /// The table.
        table: &'a RelationName,
        /// Whether count and digest are those of the source.
        equal: bool,
    },
    /// A step began to run.
    StepStarted {
        /// Its kind, as pg_dump calls it: `INDEX`, `FK CONSTRAINT`, ….
        kind: &'a str,
        /// The object.
        object: &'a str,
    },
    /// A step is committed together with its receipt.
    StepCommitted {
        /// Its kind, as pg_dump calls it.
        kind: &'a str,
        /// The object.
        object: &'a str,
        /// How long it took; zero if another process did it.
        took: Duration,
    },
    /// Something failed and is tried again.
    Retrying {
        /// What failed, and why, in one line.
        what: &'a str,
        /// The pause before the next attempt.
        after: Duration,
    },
    /// A server does not answer a question that costs it nothing, for so long by now; its network
    /// and its kernel do. Told every half minute while it lasts.
    NoAnswer {
        /// Which server.
        side: Side,
        /// For how long.
        since: Duration,
    },
    /// What was copied under a snapshot that is gone is read again on the source, to be compared.
    /// The bytes done are [`Counters::bytes_read_again`].
    ReadingAgain {
        /// Parts with at least one committed piece.
        parts: usize,
        /// Bytes of their pieces, as they went to the target.
        bytes: u64,
    },
    /// Who keeps something waiting that we do, by name, after a few seconds; nobody any more if the
    /// list is empty. Told when that changes, and every half minute while it lasts.
    Waiting {
        /// What waits.
        what: &'a str,
        /// For whom.
        holders: &'a [Holder],
    },
    /// How far the build of an index is, as the server tells (12 and newer).
    IndexProgress {
        /// The index.
        index: &'a RelationName,
        /// What it does just now: `building index: scanning table`, ….
        phase: &'a str,
        /// Blocks or rows done in this phase.
        done: u64,
        /// Of how many; 0 if the server does not know.
        total: u64,
    },
    /// A scan for duplicates knows what it will read; also when it begins again.
    ScanPlanned {
        /// Unique indexes.
        indexes: usize,
        /// Blocks of the tables that they cover, counted for each index.
        blocks: u64,
        /// Foreign keys that are looked at.
        foreign_keys: usize,
    },
    /// The rows under an index are being read.
    ScanStarted {
        /// The index.
        index: &'a RelationName,
    },
    /// All groups under an index are known.
    Scanned {
        /// The index.
        index: &'a RelationName,
        /// Groups of two or more rows that share a key.
        groups: u64,
        /// Their rows.
        rows: u64,
    },
    /// A finding, as soon as it is known.
    Found(&'a Finding),
}

/// The phases of a run, in the order in which they begin. Copying, index builds and reading back
/// overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Catalogs, findings, plan.
    Prepare,
    /// Types, functions, tables.
    PreData,
    /// Rows, indexes, reading back.
    Data,
    /// Constraints, foreign keys, triggers, views, privileges, sequences.
    PostData,
}

/// Numbers that move all the time; sample them, they only grow.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Rows read from the source, also of pieces not yet committed.
    pub rows_read: AtomicU64,
    /// Bytes read from the source, also of pieces not yet committed.
    pub bytes_read: AtomicU64,
    /// Bytes read again on the source, to prove that they are what was copied.
    pub bytes_read_again: AtomicU64,
    /// Blocks of tables that a scan for duplicates has behind it.
    pub blocks_read: AtomicU64,
    /// Bytes read back from the target.
    pub bytes_read_back: AtomicU64,
}
