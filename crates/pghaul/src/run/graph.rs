//! From plan and schema to tasks: what waits for what.
//!
//! ```text
//! parts of t ─► indexes of t ───────────────┐
//!      │                                    ├─► constraints, keys, triggers, … ─► all
//!      └─────► reading t back ─► ANALYZE t ─┘
//! all ─► privileges ─► refreshes ─► sequences ─► event triggers
//! ```
//!
//! Invariants: pre-data is not here, it is done before any lane starts; nothing that takes a
//! stronger lock than a reader's waits behind the reading back; indexes are attached one at a
//! time, since attaching them in parallel leaves parents invalid in silence (seen on 15 and 18,
//! with pg_restore too).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::board::{LaneKind, Task, TaskId, Waits};
use super::options::{CloneOptions, Deferred, Scope, Verify};
use super::steps::SchemaStep;
use super::work::Work;
use crate::name::RelationName;
use crate::plan::Plan;
use crate::schema::{DumpId, Entry, Kind, Section};

/// An entry with the statement to run, empty if there is nothing to run.
pub(super) struct Prepared {
    pub(super) entry: Entry,
    pub(super) sql: String,
}

/// The tasks of a run and the statements that some of them run.
pub(super) struct Graph {
    pub(super) tasks: Vec<Task<Work>>,
    pub(super) steps: Vec<SchemaStep>,
}

struct Builder<'a> {
    plan: &'a Plan,
    options: &'a CloneOptions,
    tasks: Vec<Task<Work>>,
    steps: Vec<SchemaStep>,
    copied: Vec<TaskId>,
    /// By target table: what has to be over before the table may be locked.
    settled: HashMap<RelationName, TaskId>,
    loaded: HashMap<RelationName, TaskId>,
}

/// Which entries run before any row is copied: pre-data, and comments and labels of pre-data.
pub(super) fn is_pre_data(entry: &Entry, by_id: &HashMap<DumpId, Section>) -> bool {
    match (entry.section, &entry.kind) {
        (Section::PreData, _) => true,
        (Section::None, Kind::Comment | Kind::SecurityLabel) => {
            let above = entry.dependencies.iter().filter_map(|id| by_id.get(id));
            !above.into_iter().any(|section| *section == Section::PostData)
        }
        _ => false,
    }
}

/// The key of a schema step: its place among all entries, which is the same for the same schema.
pub(super) fn step_key(place: usize) -> String {
    format!("entry {place}")
}

/// Builds the tasks. `entries` are all entries of the archive in its order, with their places.
pub(super) fn build(
    plan: &Plan,
    entries: &[(usize, Prepared)],
    large_object_batches: usize,
    options: &CloneOptions,
) -> Graph {
    let mut builder = Builder {
        plan,
        options,
        tasks: Vec::new(),
        steps: Vec::new(),
        copied: Vec::new(),
        settled: HashMap::new(),
        loaded: HashMap::new(),
    };
    if options.scope != Scope::SchemaOnly {
        builder.data(large_object_batches);
    }
    let all_data = builder.gate("data", builder.copied.clone());
    let post = builder.post_data(entries, all_data);
    let mut everything: Vec<TaskId> = post;
    everything.push(all_data);
    let all_post = builder.end_of("post-data", everything);
    let acls = builder
        .serial(entries, all_post, |entry| matches!(entry.kind, Kind::Acl | Kind::DefaultAcl));
    let after_acls = builder.end_of("privileges", [vec![all_post], acls].concat());
    let refreshes =
        if options.scope == Scope::Everything && !options.deferred.contains(&Deferred::Matviews) {
            builder.refreshes(entries, after_acls)
        } else {
            Vec::new()
        };
    let mut last = [vec![after_acls], refreshes].concat();
    if options.scope != Scope::SchemaOnly && !plan.sequences.is_empty() {
        let after = vec![builder.end_of("refreshes", last.clone())];
        last.push(builder.add(Work::Sequences, LaneKind::Step, after, Vec::new(), 0));
    }
    let end = builder.end_of("end", last);
    let is_event_trigger = event_triggers(entries);
    builder.serial(entries, end, |entry| is_event_trigger.contains(&entry.dump_id));
    Graph { tasks: builder.tasks, steps: builder.steps }
}

/// Event triggers and their comments: they run last, lest they meet our own statements.
fn event_triggers(entries: &[(usize, Prepared)]) -> HashSet<DumpId> {
    let triggers: HashSet<DumpId> = entries
        .iter()
        .filter(|(_, prepared)| prepared.entry.kind == Kind::EventTrigger)
        .map(|(_, prepared)| prepared.entry.dump_id)
        .collect();
    let theirs = entries.iter().filter(|(_, prepared)| {
        matches!(prepared.entry.kind, Kind::Comment | Kind::SecurityLabel)
            && prepared.entry.dependencies.iter().any(|id| triggers.contains(id))
    });
    let theirs: Vec<DumpId> = theirs.map(|(_, prepared)| prepared.entry.dump_id).collect();
    triggers.into_iter().chain(theirs).collect()
}

impl Builder<'_> {
    fn add(
        &mut self,
        work: Work,
        lane: LaneKind,
        after: Vec<TaskId>,
        resources: Vec<String>,
        weight: u64,
    ) -> TaskId {
        let waits = Waits::ForSuccess;
        self.tasks.push(Task { work, lane, after, waits, resources, weight });
        TaskId(self.tasks.len() - 1)
    }

    fn gate(&mut self, name: &'static str, after: Vec<TaskId>) -> TaskId {
        self.add(Work::Gate(name), LaneKind::Step, after, Vec::new(), u64::MAX)
    }

    /// A gate that opens whatever became of what is before it.
    fn end_of(&mut self, name: &'static str, after: Vec<TaskId>) -> TaskId {
        let gate = self.gate(name, after);
        self.tasks[gate.0].waits = Waits::ForEnd;
        gate
    }

    fn data(&mut self, large_object_batches: usize) {
        let mut parts_of: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for part in &self.plan.parts {
            // Above all reading back, and the parts of one table together.
            let weight = (1 << 62) + self.plan.tables[part.table].bytes.min(1 << 60);
            let task =
                self.add(Work::Part(part.id), LaneKind::Copy, Vec::new(), Vec::new(), weight);
            parts_of.entry(part.table).or_default().push(task);
        }
        for batch in 0..large_object_batches {
            let task = self.add(
                Work::LargeObjects(batch),
                LaneKind::Copy,
                Vec::new(),
                Vec::new(),
                1 << 62,
            );
            self.copied.push(task);
        }
        for (at, read_back) in self.plan.read_backs.iter().enumerate() {
            let after: Vec<TaskId> = read_back
                .tables
                .iter()
                .filter_map(|table| parts_of.get(table))
                .flatten()
                .copied()
                .collect();
            let bytes: u64 =
                read_back.tables.iter().map(|table| self.plan.tables[*table].bytes).sum();
            let loaded = self.gate("table", after);
            let settled = if self.options.verify == Verify::None {
                loaded
            } else {
                self.add(Work::ReadBack(at), LaneKind::Copy, vec![loaded], Vec::new(), bytes)
            };
            self.add(
                Work::Analyze(read_back.name.clone()),
                LaneKind::Step,
                vec![settled],
                Vec::new(),
                0,
            );
            let names = read_back.tables.iter().map(|table| &self.plan.tables[*table].name);
            for name in names.chain([&read_back.name]) {
                self.loaded.insert(name.clone(), loaded);
                self.settled.insert(name.clone(), settled);
            }
            self.copied.push(settled);
        }
    }

    fn step(
        &mut self,
        place: usize,
        prepared: &Prepared,
        after: Vec<TaskId>,
        resources: Vec<String>,
        weight: u64,
    ) -> TaskId {
        self.steps.push(SchemaStep {
            key: step_key(place),
            kind: prepared.entry.kind.name().to_owned(),
            object: object_of(&prepared.entry),
            sql: prepared.sql.clone(),
            undo: undo_of(&prepared.entry),
            source_oid: prepared.entry.oid,
        });
        let work = Work::Schema(self.steps.len() - 1);
        self.add(work, LaneKind::Step, after, resources, weight)
    }

    /// Post-data, by its dependencies.
    fn post_data(&mut self, entries: &[(usize, Prepared)], all_data: TaskId) -> Vec<TaskId> {
        let tables: HashMap<DumpId, RelationName> = entries
            .iter()
            .filter(|(_, prepared)| {
                matches!(prepared.entry.kind, Kind::Table | Kind::MaterializedView)
            })
            .map(|(_, prepared)| (prepared.entry.dump_id, relation_of(&prepared.entry)))
            .collect();
        let sections: HashMap<DumpId, Section> =
            entries.iter().map(|(_, p)| (p.entry.dump_id, p.entry.section)).collect();
        let last = event_triggers(entries);
        let mut by_dump_id: HashMap<DumpId, TaskId> = HashMap::new();
        let mut all = Vec::new();
        // The archive's order is a topological one, so what an entry needs is there already.
        for (place, prepared) in entries {
            let entry = &prepared.entry;
            let comment = matches!(entry.kind, Kind::Comment | Kind::SecurityLabel)
                && !is_pre_data(entry, &sections);
            if !(entry.section == Section::PostData || comment)
                || prepared.sql.is_empty()
                || last.contains(&entry.dump_id)
            {
                continue;
            }
            let own: Vec<&RelationName> =
                entry.dependencies.iter().filter_map(|id| tables.get(id)).collect();
            let waits = if entry.kind == Kind::Index { &self.loaded } else { &self.settled };
            let mut after: Vec<TaskId> =
                own.iter().filter_map(|name| waits.get(*name)).copied().collect();
            if after.is_empty() && entry.kind != Kind::Index {
                after.push(all_data);
            }
            after.extend(entry.dependencies.iter().filter_map(|id| by_dump_id.get(id)));
            after.sort_unstable();
            after.dedup();
            let resources = match entry.kind {
                Kind::IndexAttach => vec!["index attach".to_owned()],
                Kind::FkConstraint => own.iter().map(|name| format!("fk {name}")).collect(),
                _ => Vec::new(),
            };
            let weight = own
                .iter()
                .filter_map(|name| self.plan.tables.iter().find(|table| table.name == **name))
                .map(|table| table.bytes + 1)
                .max()
                .unwrap_or(1);
            let task = self.step(*place, prepared, after, resources, weight);
            by_dump_id.insert(entry.dump_id, task);
            all.push(task);
        }
        all
    }

    /// One at a time and in the archive's order, each whatever became of those before it.
    fn serial(
        &mut self,
        entries: &[(usize, Prepared)],
        after: TaskId,
        picks: impl Fn(&Entry) -> bool,
    ) -> Vec<TaskId> {
        let picked: Vec<&(usize, Prepared)> = entries
            .iter()
            .filter(|(_, prepared)| picks(&prepared.entry) && !prepared.sql.is_empty())
            .collect();
        let count = picked.len() as u64;
        picked
            .into_iter()
            .zip((0..count).rev())
            .map(|((place, prepared), weight)| {
                self.step(*place, prepared, vec![after], vec!["serial".to_owned()], weight)
            })
            .collect()
    }

    /// Refreshes, each after those of the views that it reads.
    fn refreshes(&mut self, entries: &[(usize, Prepared)], after: TaskId) -> Vec<TaskId> {
        let by_id: HashMap<DumpId, &Entry> =
            entries.iter().map(|(_, p)| (p.entry.dump_id, &p.entry)).collect();
        let mut tasks: HashMap<DumpId, TaskId> = HashMap::new();
        let wanted: HashSet<&RelationName> = self.plan.refreshes.iter().collect();
        let views = entries.iter().filter(|(_, p)| p.entry.kind == Kind::MaterializedView);
        let views: Vec<(DumpId, RelationName)> = views
            .map(|(_, p)| (p.entry.dump_id, relation_of(&p.entry)))
            .filter(|(_, name)| wanted.contains(name))
            .collect();
        for (id, name) in views {
            let mut before = vec![after];
            before.extend(reached(id, &by_id).iter().filter_map(|id| tasks.get(id)));
            let task = self.add(Work::Refresh(name), LaneKind::Step, before, Vec::new(), 0);
            tasks.insert(id, task);
        }
        tasks.into_values().collect()
    }
}

/// All entries that one depends on, at any distance.
fn reached(id: DumpId, by_id: &HashMap<DumpId, &Entry>) -> HashSet<DumpId> {
    let mut seen = HashSet::new();
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        let Some(entry) = by_id.get(&next) else { continue };
        for dependency in &entry.dependencies {
            if seen.insert(*dependency) {
                open.push(*dependency);
            }
        }
    }
    seen
}

/// The relation that a table's or view's entry makes.
pub(super) fn relation_of(entry: &Entry) -> RelationName {
    RelationName::new(entry.namespace().unwrap_or_default(), entry.tag.as_str())
}

/// An entry's object, for people.
pub(super) fn object_of(entry: &Entry) -> String {
    match entry.namespace() {
        Some(namespace) => format!("{namespace}.{}", entry.tag),
        None => entry.tag.clone(),
    }
}

/// The statement that drops what an entry has created; empty where nothing was: comments and
/// privileges go with their object, and `pg_dump` only remarks on a schema that is there already.
pub(super) fn undo_of(entry: &Entry) -> String {
    match &entry.drop_stmt {
        Some(statement) if !entry.is_remark() => statement.trim().trim_end_matches(';').to_owned(),
        _ => String::new(),
    }
}
