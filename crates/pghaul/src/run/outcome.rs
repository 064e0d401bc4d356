//! What a run came to.

use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName};
use crate::verify::difference::Difference;

/// How a run ended. A failure is an [`Error`](crate::Error) instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All that was asked is done.
    Complete,
    /// Stopping was asked for; all committed pieces are kept, and `--resume` goes on.
    Stopped,
}

/// The result of a clone.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The tables, in the order of the plan.
    pub tables: Vec<TableOutcome>,
    /// Everything found, the gravest first.
    pub findings: Vec<Finding>,
    /// The name of consistency of the moment that was carried.
    pub consistency: &'static str,
    /// Indexes built, by this process or another one of the run.
    pub indexes: usize,
    /// Constraints added, foreign keys among them, by this process or another one of the run.
    pub constraints: usize,
    /// Time by phase, in the order in which phases began.
    pub phases: Vec<(crate::event::Phase, std::time::Duration)>,
}

/// What became of one table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TableOutcome {
    /// The table on the target.
    pub name: RelationName,
    /// Rows read from the source.
    pub source_rows: u64,
    /// Rows read back from the target; none if nothing was read back.
    pub target_rows: Option<u64>,
    /// Bytes written to the target.
    pub bytes: u64,
    /// The digest of the source's rows in hex, with the name of the image it is made of.
    pub digest: Option<(String, &'static str)>,
    /// Whether count and digest of both sides were compared and are equal.
    pub verified: bool,
    /// The columns by which rows are named in `differences`.
    pub key: Vec<Ident>,
    /// Rows that differ, up to a limit.
    pub differences: Vec<Difference>,
}

impl Outcome {
    /// The gravest finding.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether something was found that makes exit code 1.
    pub fn has_warnings(&self) -> bool {
        self.severity() >= Some(Severity::Warning)
    }
}
