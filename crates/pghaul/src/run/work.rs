//! What a run is made of, once it is planned: shared by all lanes of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pghaul_rows::TableDigest;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::lane::Alone;
use super::ledger::Ledger;
use super::options::{CloneOptions, Verify};
use super::origin::Origin;
use super::readers::{Reader, Readers};
use super::retry::Budget;
use super::steps::{Counts, SchemaStep};
use super::undisturbed::Undisturbed;
use super::waits::AtWork;
use crate::connect::{Endpoint, Session};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::finding::Finding;
use crate::name::RelationName;
use crate::plan::{PartId, Plan, ReadBack};
use crate::snapshot::hold::Hold;
use crate::state::Receipts;
use crate::transfer::Transfer;
use crate::transfer::large_objects::LargeObject;
use crate::verify::difference::Difference;

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// A part of a table.
    Part(PartId),
    /// A batch of large objects.
    LargeObjects(usize),
    /// A slice of a large table to read back: the blocks of this part, on the target.
    ReadSlice(PartId),
    /// A table to read back, or to add up its slices.
    ReadBack(usize),
    /// A statement of the schema, refreshes of materialized views included.
    Schema(usize),
    /// Statistics of a table.
    Analyze(RelationName),
    /// The values of all sequences.
    Sequences,
    /// Nothing; others wait for it instead of for all that it waits for.
    Gate(&'static str),
}

/// How to stop a run from outside.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Ask for it and the run ends after the pieces and steps in flight.
    pub soon: CancellationToken,
    /// Ask for it and the run ends at once; pieces in flight are lost. Implies `soon`.
    pub now: CancellationToken,
}

/// What was learned about a table that was read back.
#[derive(Debug, Clone)]
pub(super) struct ReadBackResult {
    pub(super) target: TableDigest,
    pub(super) equal: bool,
    pub(super) differences: Vec<Difference>,
}

/// A run in progress.
pub(super) struct Run {
    pub(super) id: String,
    pub(super) origin: Origin,
    pub(super) target: Arc<Endpoint>,
    pub(super) options: CloneOptions,
    pub(super) plan: Plan,
    pub(super) steps: Vec<SchemaStep>,
    pub(super) large_objects: Vec<Vec<LargeObject>>,
    /// None when no row is read from the source any more.
    pub(super) hold: Option<Hold>,
    /// Whether exporting a snapshot leaves no trace on the source.
    pub(super) source_takes_no_ids: bool,
    pub(super) transfer: Transfer,
    pub(super) board: Board<Work>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stop: Stop,
    pub(super) facts: Mutex<Facts>,
    /// How many of the findings, which come first, were known before the run began.
    pub(super) known_before: usize,
    pub(super) tries: AtomicU64,
    pub(super) budget: Arc<Budget>,
    pub(super) undisturbed: Undisturbed,
    /// Parts that are not read again, since the source server crashed over them.
    pub(super) given_up: BTreeSet<PartId>,
    pub(super) alone: Arc<Alone>,
    pub(super) readers: Readers,
    pub(super) at_work: AtWork,
}

/// What a run learns as it goes.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) receipts: Receipts,
    pub(super) read_backs: BTreeMap<usize, ReadBackResult>,
    /// What was read back of large tables, slice by slice.
    pub(super) slices: BTreeMap<PartId, TableDigest>,
    pub(super) findings: Vec<Finding>,
    pub(super) failures: Vec<Error>,
    /// Why no lane can read from the source any more.
    pub(super) lost: Option<Error>,
    /// Whether large objects of the target were found to be others than were read.
    pub(super) objects_differ: bool,
    /// Parts whose reading session died without a word.
    pub(super) suspects: BTreeSet<PartId>,
    /// Whether anything was committed.
    pub(super) progress: bool,
    pub(super) indexes: usize,
    pub(super) constraints: usize,
}

impl Run {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        // Every change of the facts is complete before the lock is let go.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, finding: Finding) {
        self.observer.on_event(&Event::Found(&finding));
        self.facts().findings.push(finding);
    }

    /// Takes the result of a task from its receipt; false if it cannot be read and the task has to
    /// be done again.
    pub(super) fn learn(&self, work: &Work, result: &str) -> bool {
        match work {
            Work::ReadBack(at) => self.learn_read_back(*at, result),
            Work::ReadSlice(part) => {
                let digest = digest_of(result);
                if let Some(digest) = digest {
                    self.facts().slices.insert(*part, digest);
                }
                digest.is_some()
            }
            _ => true,
        }
    }

    fn learn_read_back(&self, at: usize, result: &str) -> bool {
        let Some(target) = digest_of(result) else { return false };
        let result = ReadBackResult { target, equal: true, differences: Vec::new() };
        self.facts().read_backs.insert(at, result);
        true
    }

    /// Whether every part of a table is committed.
    pub(super) fn is_whole(&self, table: usize) -> bool {
        let facts = self.facts();
        self.plan.parts_of(table).all(|part| facts.receipts.is_done(part.id))
    }

    /// The sum of what was read from the source of a table that is read back.
    pub(super) fn read_from_source(&self, what: &ReadBack) -> TableDigest {
        let facts = self.facts();
        let mut sum = TableDigest::default();
        for part in what.tables.iter().flat_map(|table| self.plan.parts_of(*table)) {
            sum.add(facts.receipts.digest(part.id));
        }
        sum
    }

    /// Whether the target was found to hold something else than was read.
    pub(super) fn differs(&self) -> bool {
        let facts = self.facts();
        facts.objects_differ || facts.read_backs.values().any(|result| !result.equal)
    }

    /// Counts a step for the summary.
    pub(super) fn count(&self, step: &SchemaStep) {
        match step.counts() {
            Some(Counts::Index) => self.facts().indexes += 1,
            Some(Counts::Constraint) => self.facts().constraints += 1,
            None => {}
        }
    }

    /// A number that differs for every attempt of every lane.
    pub(super) fn seed(&self) -> u64 {
        self.tries.fetch_add(1, Ordering::Relaxed)
    }

    /// The name of a task, stable over attempts, processes and resumes of one run.
    pub(super) fn key(&self, work: &Work) -> String {
        match work {
            Work::Part(part) => format!("part {}", part.0),
            Work::LargeObjects(batch) => format!("large objects {batch}"),
            Work::ReadSlice(part) => format!("read back part {}", part.0),
            Work::ReadBack(at) => format!("read back {}", self.plan.read_backs[*at].name.quoted()),
            Work::Schema(at) => self.steps[*at].step.key.clone(),
            Work::Analyze(name) => format!("analyze {}", name.quoted()),
            Work::Sequences => "sequences".to_owned(),
            Work::Gate(name) => format!("gate {name}"),
        }
    }

    /// The name of a task's last receipt: large objects have one when they are written, and one when
    /// they are read back, if they are.
    pub(super) fn last_key(&self, work: &Work) -> String {
        let key = self.key(work);
        match work {
            Work::LargeObjects(_) if self.options.verify == Verify::Full => {
                format!("read back {key}")
            }
            _ => key,
        }
    }
}

/// The receipt of what was read back: rows, a space, the lanes.
pub(super) fn receipt_of(digest: &TableDigest) -> String {
    format!("{} {digest}", digest.rows)
}

/// What [`receipt_of`] wrote.
pub(super) fn digest_of(receipt: &str) -> Option<TableDigest> {
    let (rows, lanes) = receipt.split_once(' ')?;
    TableDigest::from_hex(rows.parse().ok()?, lanes).ok()
}

/// Sessions of one lane, opened when first needed, and anew after one died.
pub(super) struct Sessions<'a> {
    pub(super) run: &'a Run,
    pub(super) lane: String,
    pub(super) source: Option<Reader>,
    pub(super) target: Option<Session>,
    pub(super) reader: Option<Session>,
    /// Whether a reader of the source was not to be had because of somebody's lock.
    pub(super) barred: bool,
}
