//! What came of a rebuild.

use std::time::Duration;

use super::amcheck::Verdict;
use super::health::Reason;
use super::index::Index;
use super::plan::Method;
use super::rows_in_the_way::SharedKeys;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;

/// What came of a rebuild.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// One entry for each index of the plan.
    pub indexes: Vec<IndexOutcome>,
    /// What interrupted rebuilds had left behind and was dropped.
    pub dropped: Vec<RelationName>,
    /// Materialized views that were refreshed.
    pub refreshed: Vec<RelationName>,
    /// Collations whose present version was recorded, as the statements name them.
    pub recorded: Vec<String>,
    /// Everything that is to be known, the gravest first.
    pub findings: Vec<Finding>,
}

impl Rebuilt {
    /// The gravest finding's severity.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// What came of one index.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IndexOutcome {
    /// As it was before.
    pub index: Index,
    /// Why it was to be rebuilt.
    pub reasons: Vec<Reason>,
    /// How.
    pub method: Method,
    /// What came of it.
    pub end: IndexEnd,
    /// How long it took, waiting included.
    pub took: Duration,
}

/// What came of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexEnd {
    /// It stands, valid.
    Rebuilt {
        /// Bytes on disk now.
        bytes: u64,
        /// What amcheck says of it.
        verdict: Verdict,
    },
    /// Rows forbid it: they share its key, or exclude each other. It is what it was before. With the
    /// groups that share a key, unless they could not be found out.
    Refused(Option<SharedKeys>),
    /// It could not be rebuilt; it is what it was before.
    Failed,
    /// It was dropped meanwhile, by somebody else.
    Gone,
    /// Stopped before its turn or in the middle; it is what it was before.
    NotDone,
}

impl IndexEnd {
    /// The word for it in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rebuilt { .. } => "rebuilt",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::NotDone => "not_done",
        }
    }
}
