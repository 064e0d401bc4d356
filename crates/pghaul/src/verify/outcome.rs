//! What a comparison came to.

use std::path::PathBuf;
use std::time::Duration;

use pghaul_rows::{ImageKind, TableDigest};

use super::difference::Difference;
use super::pairs::PairKind;
use crate::event::Phase;
use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName};
use crate::run::Ending;
use crate::schema::compare::SchemaDifference;

/// The result of a comparison.
#[derive(Debug)]
#[non_exhaustive]
pub struct VerifyOutcome {
    /// How it ended. After a stop, `tables` holds what was compared until then.
    pub ending: Ending,
    /// The tables, biggest first; those that one side alone has are findings.
    pub tables: Vec<VerifiedTable>,
    /// What differs in the schemas, an entry each.
    pub schema: Vec<SchemaDifference>,
    /// Everything found, the gravest first.
    pub findings: Vec<Finding>,
    /// Moments of which the result is: more than one if sessions were lost, or the comparison was
    /// interrupted, and what was compared before is kept. Moments between which nothing was written on
    /// either side count as one.
    pub moments: u32,
    /// Whether the snapshots were lost on the way, and it is proven that nothing was written
    /// between those that are kept and the new ones.
    pub proven_unchanged: bool,
    /// What an interrupted comparison had compared, that this one went on from.
    pub resumed: Resumed,
    /// After a stop: where the same comparison can go on from, if it was asked to keep that.
    pub state: Option<PathBuf>,
    /// Large objects compared.
    pub large_objects: usize,
    /// Sequences compared.
    pub sequences: usize,
    /// Time by phase.
    pub phases: Vec<(Phase, Duration)>,
}

/// What was not read again, since an interrupted comparison had read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Resumed {
    /// Tables that were equal.
    pub tables: usize,
    /// Parts of other tables, of both sides.
    pub parts: usize,
}

/// What became of one table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifiedTable {
    /// Its name on both sides; of partitions that of their root.
    pub name: RelationName,
    /// Tables or materialized views.
    pub kind: PairKind,
    /// Rows and digest of the source. Where rows were only counted, the digest is zero.
    pub source: TableDigest,
    /// Of the target.
    pub target: TableDigest,
    /// Of what the digests are made; none where rows were only counted.
    pub digest_kind: Option<ImageKind>,
    /// Bytes on disk, on the source.
    pub bytes: u64,
    /// Whether count and digest are equal, or became so while it was looked again.
    pub equal: bool,
    /// Whether only a sample of the rows was digested.
    pub sampled: bool,
    /// The columns by which rows are named.
    pub key: Vec<Ident>,
    /// How many rows were told to the receiver of differences.
    pub named: usize,
    /// Whether these are all that differ.
    pub all_named: bool,
    /// What was seen when it was looked again.
    pub recheck: Option<Rechecked>,
    /// At which of the [moments](VerifyOutcome::moments) it was compared, from 1.
    pub moment: u32,
}

/// What became of rows that differ while they were looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rechecked {
    /// How often it was looked.
    pub looks: u32,
    /// Keys that came to agree.
    pub agreed: usize,
    /// Keys that differ, unchanged on both sides since the look before.
    pub stayed: usize,
    /// Keys that still differ, and changed at each look.
    pub moving: usize,
}

/// Rows that differ, told while the comparison goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TableDifferences {
    /// The table.
    pub table: RelationName,
    /// The columns of the keys.
    pub key: Vec<Ident>,
    /// Some of its rows that differ.
    pub rows: Vec<Difference>,
}

impl VerifyOutcome {
    /// The gravest finding.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
