//! What the observer was told of what is durable.
//!
//! Invariants: each committed piece, copied table, verified table and committed step is told once
//! in the life of a [`run`](super::PreparedClone::run), recoveries included, whoever did it; a
//! table's pieces before the table, the table's copying before its verification. What was done
//! before that life began is not told.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stored::StoredRun;
use super::work::{Run, Work};
use crate::event::{Event, Observer};
use crate::plan::PartId;

/// What was told. Shared by all attempts of one process.
pub(super) struct Ledger {
    observer: Arc<dyn Observer>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    pieces: BTreeMap<PartId, usize>,
    copied: BTreeSet<usize>,
    steps: HashSet<String>,
}

impl Ledger {
    /// A ledger in which all that the target knows already is told.
    pub(super) fn new(observer: Arc<dyn Observer>, before: Option<&StoredRun>) -> Self {
        let mut told = Told::default();
        if let Some(before) = before {
            told.steps.extend(before.steps.keys().cloned());
            let mut begun = BTreeSet::new();
            for (_, part) in &before.parts {
                told.pieces.insert(part.id, before.receipts.of(part.id).len());
                told.copied.insert(part.table);
                if !before.receipts.is_done(part.id) {
                    begun.insert(part.table);
                }
            }
            told.copied.retain(|table| !begun.contains(table));
        }
        Self { observer, told: Mutex::new(told) }
    }

    /// Who is told.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer)
    }

    /// Tells of the committed pieces of a part, and of its table when that is whole.
    pub(super) fn part(&self, run: &Run, part: PartId) {
        let mut told = self.told();
        let at = run.plan.parts[part.0].table;
        let table = &run.plan.tables[at].name;
        let count = told.pieces.entry(part).or_default();
        let (new, done): (Vec<(u64, u64)>, bool) = {
            let facts = run.facts();
            let new = facts.receipts.of(part).iter().skip(*count);
            (
                new.map(|receipt| (receipt.digest.rows, receipt.bytes)).collect(),
                facts.receipts.is_done(part),
            )
        };
        *count += new.len();
        for (rows, bytes) in new {
            self.observer.on_event(&Event::PieceCommitted { table, rows, bytes });
        }
        if !done || told.copied.contains(&at) {
            return;
        }
        let rows = {
            let facts = run.facts();
            let mut parts = run.plan.parts_of(at);
            let all_told = parts.all(|part| {
                let pieces = told.pieces.get(&part.id).copied().unwrap_or(0);
                facts.receipts.is_done(part.id) && pieces == facts.receipts.of(part.id).len()
            });
            let rows = run.plan.parts_of(at).map(|part| facts.receipts.digest(part.id).rows);
            all_told.then(|| rows.sum())
        };
        if let Some(rows) = rows {
            told.copied.insert(at);
            self.observer.on_event(&Event::TableCopied { table, rows });
        }
    }

    /// Tells that a table was read back. One that differs leaves no receipt, and is told each time.
    pub(super) fn verified(&self, run: &Run, at: usize, equal: bool) {
        let mut told = self.told();
        if !equal || told.steps.insert(run.key(&Work::ReadBack(at))) {
            let table = &run.plan.read_backs[at].name;
            self.observer.on_event(&Event::TableVerified { table, equal });
        }
    }

    /// Tells that a step of the schema is committed.
    pub(super) fn step(&self, run: &Run, at: usize, took: Duration) {
        let step = &run.steps[at].step;
        let mut told = self.told();
        if told.steps.insert(step.key.clone()) {
            let (kind, object) = (step.kind.name(), step.object.as_str());
            self.observer.on_event(&Event::StepCommitted { kind, object, took });
        }
    }

    /// A table begins again: what was told of it is not true any more.
    pub(super) fn forget(&self, run: &Run, table: usize) {
        let mut told = self.told();
        told.copied.remove(&table);
        for part in run.plan.parts_of(table) {
            told.pieces.remove(&part.id);
        }
    }

    /// Steps that are done again.
    pub(super) fn forget_steps(&self, steps: &[String]) {
        let mut told = self.told();
        for step in steps {
            told.steps.remove(step);
        }
    }

    /// Held while the observer is called: that is what keeps the order.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
