//! The one place that knows exit codes: from kinds of failure, endings and findings to numbers.
//!
//! Invariants: no wildcard, so a new kind of failure does not compile until it has a code; codes
//! are only ever added.

use std::process::ExitCode;

use pghaul::run::{Ending, Outcome};
use pghaul::{ErrorKind, Severity};

use crate::signals::Signal;

/// How the process ends. The numbers are a promise, see `main.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked; notes at most.
    Done = 0,
    /// Done, and something of severity warning or worse was found.
    Found = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A server cannot be reached or refuses us.
    Connect = 10,
    /// Found before anything was written.
    Preflight = 11,
    /// Failed after retries; finished pieces are kept.
    Transfer = 12,
    /// The source's snapshot is gone and the source has changed since.
    SnapshotGone = 13,
    /// A run's state is in the way.
    RunState = 20,
    /// An archive is damaged, incomplete or too new.
    Archive = 21,
    /// This machine's disk or permissions.
    LocalIo = 40,
    /// A bug.
    Bug = 70,
    /// Stopped by SIGINT; finished pieces are kept.
    Interrupted = 130,
    /// Stopped by SIGTERM; finished pieces are kept.
    Terminated = 143,
}

impl Exit {
    /// The code of a failure.
    pub fn of_failure(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Connect => Self::Connect,
            ErrorKind::Preflight => Self::Preflight,
            ErrorKind::Transfer => Self::Transfer,
            ErrorKind::SnapshotGone => Self::SnapshotGone,
            ErrorKind::RunState => Self::RunState,
            ErrorKind::Archive => Self::Archive,
            ErrorKind::LocalIo => Self::LocalIo,
            ErrorKind::Bug => Self::Bug,
        }
    }

    /// The code of a run that came to an end; `signal` is what asked it to stop, if anything did.
    pub fn of_outcome(outcome: &Outcome, signal: Option<Signal>) -> Self {
        match outcome.ending {
            Ending::Complete => Self::of_severity(outcome.severity()),
            Ending::Stopped => Self::of_signal(signal),
        }
    }

    /// The code of a verb that did its work and found things, the gravest of them this grave.
    pub fn of_severity(severity: Option<Severity>) -> Self {
        match severity {
            None | Some(Severity::Note) => Self::Done,
            Some(Severity::Warning | Severity::Blocker) => Self::Found,
        }
    }

    /// The code of a run that was stopped.
    pub fn of_signal(signal: Option<Signal>) -> Self {
        match signal {
            Some(Signal::Terminate) => Self::Terminated,
            Some(Signal::Interrupt) | None => Self::Interrupted,
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word for it in JSON results.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Done => "complete",
            Self::Found => "findings",
            Self::Interrupted | Self::Terminated => "stopped",
            Self::Usage
            | Self::Connect
            | Self::Preflight
            | Self::Transfer
            | Self::SnapshotGone
            | Self::RunState
            | Self::Archive
            | Self::LocalIo
            | Self::Bug => "failed",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
