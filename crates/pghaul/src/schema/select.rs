//! Which entries remain when only some tables are asked for.
//!
//! Invariants: what a kept entry needs is kept; an entry that needs a relation that is not
//! carried is left out, with all that needs it in turn, and named; the order stays.

use std::collections::{HashMap, HashSet};

use super::entry::{DumpId, Entry, Kind};
use super::subject::Subject;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;

/// What becomes of objects that are no relation and belong to none: types, functions, extensions,
/// publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// All are kept that can be: only some tables were excluded.
    All,
    /// Only those that a kept relation needs: some tables were asked for by name.
    Needed,
}

/// What remains.
#[derive(Debug)]
pub struct Selection {
    /// The entries to run, in the archive's order.
    pub entries: Vec<Entry>,
    /// What was asked for, or belongs to something that was, and cannot be without something that
    /// was not.
    pub left_out: Vec<LeftOut>,
}

/// An entry that cannot be carried since what it needs is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What it is. For a table, its rows cannot be carried either.
    pub kind: Kind,
    /// The object, for people.
    pub object: String,
    /// The relation that it makes or belongs to.
    pub relation: Option<RelationName>,
    /// What it needs, for people.
    pub needs: String,
}

impl LeftOut {
    /// A note; for a table a warning, since it was asked for.
    pub fn finding(&self) -> Finding {
        let table = matches!(self.kind, Kind::Table | Kind::ForeignTable);
        Finding::new(
            if table { Severity::Warning } else { Severity::Note },
            "left_out_by_filter",
            format!(
                "{} {} is left out: it needs {}, which is not carried",
                self.kind, self.object, self.needs
            ),
            "include what it needs, or make it by hand afterwards",
        )
        .about(&self.object)
    }
}

/// Selects. `wanted` says of each table, view, materialized view, foreign table and sequence
/// whether it is asked for; a sequence that a column owns goes with its table.
pub fn select(
    entries: Vec<Entry>,
    wanted: impl Fn(&RelationName) -> bool,
    others: Others,
) -> Selection {
    let mut selector = Selector::new(&entries, &wanted);
    selector.spread(&entries);
    let kept = match others {
        Others::All => selector.candidates(&entries),
        Others::Needed => selector.needed(&entries),
    };
    let mut left_out = selector.left_out(&entries);
    if others == Others::Needed {
        // What belongs to no relation was not asked for.
        left_out.retain(|one| one.relation.is_some());
    }
    let entries = entries.into_iter().filter(|entry| kept.contains(&entry.dump_id)).collect();
    Selection { entries, left_out }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Candidate,
    /// Not asked for, or belongs to something that is not.
    NotAsked,
    /// Needs something that is not carried.
    Lacks(String),
}

struct Selector {
    subjects: HashMap<DumpId, Subject>,
    fates: HashMap<DumpId, Fate>,
    /// Relations that the archive makes and that are not asked for.
    not_asked: HashSet<RelationName>,
    /// Partitions with their parents: a partition is made as a table of its own, then attached.
    attached: HashSet<(RelationName, RelationName)>,
}

impl Selector {
    fn new(entries: &[Entry], wanted: &impl Fn(&RelationName) -> bool) -> Self {
        let subjects: HashMap<DumpId, Subject> =
            entries.iter().map(|entry| (entry.dump_id, Subject::of(entry))).collect();
        let owners = sequence_owners(entries, &subjects);
        let mut not_asked = HashSet::new();
        for entry in entries.iter().filter(|entry| makes_relation(&entry.kind)) {
            let Some(relation) = &subjects[&entry.dump_id].relation else { continue };
            let asked = owners.get(relation).unwrap_or(relation);
            if !wanted(asked) {
                not_asked.insert(relation.clone());
            }
        }
        let fates = entries
            .iter()
            .map(|entry| {
                let own = subjects[&entry.dump_id].relation.as_ref();
                let fate = match own.is_some_and(|relation| not_asked.contains(relation)) {
                    true => Fate::NotAsked,
                    false => Fate::Candidate,
                };
                (entry.dump_id, fate)
            })
            .collect();
        let attached = entries
            .iter()
            .filter(|entry| entry.kind == Kind::TableAttach)
            .filter_map(|entry| {
                let subject = &subjects[&entry.dump_id];
                Some((subject.others.first()?.clone(), subject.relation.clone()?))
            })
            .collect();
        Self { subjects, fates, not_asked, attached }
    }

    /// From what is not carried to what needs it. The archive's order is a topological one, but a
    /// sequence can be called back by something behind it, so until nothing changes.
    fn spread(&mut self, entries: &[Entry]) {
        let by_id: HashMap<DumpId, &Entry> =
            entries.iter().map(|entry| (entry.dump_id, entry)).collect();
        loop {
            let mut changed = false;
            for entry in entries {
                if self.fates[&entry.dump_id] != Fate::Candidate {
                    continue;
                }
                changed |= self.call_sequences(entry, &by_id);
                if let Some(fate) = self.lack(entry, &by_id) {
                    self.fates.insert(entry.dump_id, fate);
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// A sequence comes along with a table that takes numbers from it, whoever owns it.
    fn call_sequences(&mut self, entry: &Entry, by_id: &HashMap<DumpId, &Entry>) -> bool {
        if !matches!(entry.kind, Kind::Table | Kind::Default | Kind::View | Kind::MaterializedView)
        {
            return false;
        }
        let mut called = false;
        for id in &entry.dependencies {
            let is_sequence = by_id.get(id).is_some_and(|entry| entry.kind == Kind::Sequence);
            if is_sequence && self.fates[id] == Fate::NotAsked {
                self.fates.insert(*id, Fate::Candidate);
                if let Some(sequence) = &self.subjects[id].relation {
                    self.not_asked.remove(sequence);
                }
                called = true;
            }
        }
        called
    }

    fn lack(&self, entry: &Entry, by_id: &HashMap<DumpId, &Entry>) -> Option<Fate> {
        let other =
            self.subjects[&entry.dump_id].others.iter().find(|one| self.not_asked.contains(one));
        let other = other.map(ToString::to_string);
        let missing = || {
            entry.dependencies.iter().find_map(|id| {
                let needed = by_id.get(id)?;
                match self.fates.get(id)? {
                    Fate::NotAsked | Fate::Lacks(_)
                        if entry.is_made_with(needed) && !self.is_partition_of(entry, needed) =>
                    {
                        Some(needed.to_string())
                    }
                    _ => None,
                }
            })
        };
        let needs = other.or_else(missing)?;
        Some(match entry.kind {
            // They belong to what is missing.
            Kind::Comment
            | Kind::SecurityLabel
            | Kind::Acl
            | Kind::SequenceOwnedBy
            | Kind::StatisticsData
            | Kind::IndexAttach => Fate::NotAsked,
            // An identity's sequence is a part of its table.
            Kind::Sequence => Fate::NotAsked,
            _ => Fate::Lacks(needs),
        })
    }

    fn is_partition_of(&self, entry: &Entry, parent: &Entry) -> bool {
        let relation = |entry: &Entry| self.subjects[&entry.dump_id].relation.clone();
        match (relation(entry), relation(parent)) {
            (Some(child), Some(parent)) => self.attached.contains(&(child, parent)),
            _ => false,
        }
    }

    fn candidates(&self, entries: &[Entry]) -> HashSet<DumpId> {
        entries
            .iter()
            .map(|entry| entry.dump_id)
            .filter(|id| self.fates[id] == Fate::Candidate)
            .collect()
    }

    /// Relations asked for, what belongs to them, what they need, and what hangs on that.
    fn needed(&self, entries: &[Entry]) -> HashSet<DumpId> {
        let by_id: HashMap<DumpId, &Entry> =
            entries.iter().map(|entry| (entry.dump_id, entry)).collect();
        let candidates = self.candidates(entries);
        let mut kept = HashSet::new();
        let mut open: Vec<DumpId> = entries
            .iter()
            .filter(|entry| self.subjects[&entry.dump_id].relation.is_some())
            .filter(|entry| entry.kind != Kind::PublicationTable)
            .map(|entry| entry.dump_id)
            .collect();
        // What sets up the session, and the schema that is always there.
        open.extend(
            entries.iter().filter(|entry| is_of_the_archive(entry)).map(|entry| entry.dump_id),
        );
        loop {
            while let Some(id) = open.pop() {
                if candidates.contains(&id) && kept.insert(id) {
                    open.extend(by_id[&id].dependencies.iter().filter(|id| by_id.contains_key(id)));
                }
            }
            open.extend(
                entries.iter().filter(|entry| hangs_on(entry, &kept)).map(|entry| entry.dump_id),
            );
            open.retain(|id| candidates.contains(id) && !kept.contains(id));
            if open.is_empty() {
                return kept;
            }
        }
    }

    fn left_out(&self, entries: &[Entry]) -> Vec<LeftOut> {
        entries
            .iter()
            .filter_map(|entry| match &self.fates[&entry.dump_id] {
                Fate::Lacks(needs) => Some(LeftOut {
                    kind: entry.kind.clone(),
                    object: entry.object(),
                    relation: self.subjects[&entry.dump_id].relation.clone(),
                    needs: needs.clone(),
                }),
                _ => None,
            })
            .collect()
    }
}

fn makes_relation(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Table | Kind::ForeignTable | Kind::View | Kind::MaterializedView | Kind::Sequence
    )
}

fn is_of_the_archive(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Encoding | Kind::StdStrings | Kind::SearchPath) || entry.is_remark()
}

/// What belongs to something that is no relation.
fn hangs_on(entry: &Entry, kept: &HashSet<DumpId>) -> bool {
    matches!(entry.kind, Kind::Comment | Kind::SecurityLabel | Kind::Acl | Kind::CheckConstraint)
        && entry.dependencies.iter().any(|id| kept.contains(id))
}

/// By sequence: the table whose column owns it.
fn sequence_owners(
    entries: &[Entry],
    subjects: &HashMap<DumpId, Subject>,
) -> HashMap<RelationName, RelationName> {
    entries
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::Sequence | Kind::SequenceOwnedBy))
        .filter_map(|entry| {
            let subject = &subjects[&entry.dump_id];
            Some((subject.relation.clone()?, subject.others.first()?.clone()))
        })
        .collect()
}
