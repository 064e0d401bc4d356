//! From plan and schema to tasks: what waits for what.
//!
//! ```text
//! parts of t ─► indexes of t ───────────────┐
//!      │                                    ├─► constraints, keys, triggers, … ─► all
//!      └─────► reading t back ─► ANALYZE t ─┘      (a large t in slices, by several lanes)
//! all ─► privileges ─► refreshes ─► sequences ─► statistics ─► event triggers
//! ```
//!
//! Large tables have the greater weight and are taken first, but for one lane that prefers small ones
//! (`lane.rs`): their indexes are built while the large ones are copied.
//!
//! Invariants: pre-data is not here, it is done before any lane starts; nothing that takes a
//! stronger lock than a reader's runs before its table is read back; what waits only for the end
//! of something goes on when that was left out; what is made of rows waits for all rows itself, since
//! what stands before it may have been done by an earlier process that could not copy all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::board::{LaneKind, Task, TaskId};
use super::options::{CloneOptions, Scope, Verify};
use super::steps::SchemaStep;
use super::work::Work;
use crate::name::RelationName;
use crate::plan::{Part, PartId, Plan, ReadBack};
use crate::schema::step::{Rows, Stage};
use crate::schema::{Kind, Step, StepId};
use crate::version::ServerVersion;

/// What is about at most so many bytes on disk is small: over a slow link it takes less time than the
/// round trips around it.
const SMALL: u64 = 1 << 20;

struct Builder<'a> {
    plan: &'a Plan,
    steps: &'a [SchemaStep],
    options: &'a CloneOptions,
    target: ServerVersion,
    /// Tables whose statistics come along.
    counted: &'a HashSet<RelationName>,
    tasks: Vec<Task<Work>>,
    /// What has to be over for all rows to be there and read back.
    settled_all: Vec<TaskId>,
    /// By table: when its rows are in.
    loaded: HashMap<RelationName, TaskId>,
    /// By table: when it may be locked.
    settled: HashMap<RelationName, TaskId>,
    by_step: HashMap<StepId, TaskId>,
    bytes: HashMap<RelationName, u64>,
}

/// Builds the tasks.
pub(super) fn build(
    plan: &Plan,
    steps: &[SchemaStep],
    large_object_batches: usize,
    (options, target): (&CloneOptions, ServerVersion),
    counted: &HashSet<RelationName>,
) -> Vec<Task<Work>> {
    let bytes = plan.tables.iter().map(|table| (table.name.clone(), table.bytes)).collect();
    let mut builder = Builder {
        plan,
        steps,
        options,
        target,
        counted,
        tasks: Vec::new(),
        settled_all: Vec::new(),
        loaded: HashMap::new(),
        settled: HashMap::new(),
        by_step: HashMap::new(),
        bytes,
    };
    if options.scope != Scope::SchemaOnly {
        builder.data(large_object_batches);
    }
    let all_data = builder.settled_all.clone();
    let data = builder.gate("data", all_data, Vec::new());
    let post = builder.parallel(data);
    if options.scope != Scope::SchemaOnly {
        builder.analyses();
    }
    let end_of_post = builder.gate("post-data", Vec::new(), [vec![data], post].concat());
    let privileges = builder.serial(Stage::Privileges, end_of_post);
    let refreshes = builder.refreshes(privileges, data);
    let mut last =
        vec![builder.gate("refreshes", Vec::new(), [vec![privileges], refreshes].concat())];
    if options.scope != Scope::SchemaOnly && !plan.sequences.is_empty() {
        let task = Task::new(Work::Sequences, LaneKind::Step);
        let task = task.after(last.clone()).behind(vec![data]);
        last.push(builder.add(task));
    }
    let end = builder.gate("sequences", Vec::new(), last);
    let statistics = builder.serial(Stage::Statistics, end);
    let all = builder.gate("statistics", vec![data], vec![statistics]);
    builder.event_triggers(all);
    builder.tasks
}

impl Builder<'_> {
    fn add(&mut self, task: Task<Work>) -> TaskId {
        self.tasks.push(task);
        TaskId(self.tasks.len() - 1)
    }

    fn gate(&mut self, name: &'static str, after: Vec<TaskId>, behind: Vec<TaskId>) -> TaskId {
        let task = Task::gate(Work::Gate(name), LaneKind::Step);
        self.add(task.after(after).behind(behind))
    }

    fn data(&mut self, large_object_batches: usize) {
        let mut parts_of: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        let tables_in: BTreeMap<usize, TaskId> = self
            .plan
            .tables
            .iter()
            .flat_map(|table| table.behind.iter().copied())
            .collect::<BTreeSet<usize>>()
            .into_iter()
            .map(|table| (table, self.gate("rows referred to", Vec::new(), Vec::new())))
            .collect();
        for part in &self.plan.parts {
            // Above all reading back, and the parts of one table together.
            let weight = (1 << 62) + self.plan.tables[part.table].bytes.min(1 << 60);
            let task = Task::new(Work::Part(part.id), LaneKind::Copy).weighing(weight);
            let behind = &self.plan.tables[part.table].behind;
            let behind = behind.iter().filter_map(|table| tables_in.get(table)).copied().collect();
            let task = self.add(task.after(behind).small(self.small_part(part)));
            parts_of.entry(part.table).or_default().push(task);
        }
        for (table, gate) in tables_in {
            let parts = parts_of.get(&table).cloned().unwrap_or_default();
            let task = self.tasks[gate.0].clone().after(parts);
            self.tasks[gate.0] = task;
        }
        for batch in 0..large_object_batches {
            let task = Task::new(Work::LargeObjects(batch), LaneKind::Copy).weighing(1 << 62);
            let task = self.add(task);
            self.settled_all.push(task);
        }
        for (at, read_back) in self.plan.read_backs.iter().enumerate() {
            let parts = read_back.tables.iter().filter_map(|table| parts_of.get(table));
            let parts: Vec<TaskId> = parts.flatten().copied().collect();
            let tables = || read_back.tables.iter().map(|table| &self.plan.tables[*table]);
            let bytes: u64 = tables().map(|table| table.bytes).sum();
            let names: Vec<RelationName> =
                tables().map(|table| table.name.clone()).chain([read_back.name.clone()]).collect();
            let loaded = self.gate("table", parts, Vec::new());
            let small = (bytes <= SMALL).then_some(bytes);
            let settled = if self.options.verify == Verify::None {
                loaded
            } else {
                let parts = self.slices(read_back);
                let whole = small.filter(|_| parts.is_empty());
                let slices: Vec<TaskId> = parts
                    .into_iter()
                    .map(|part| {
                        let task = Task::new(Work::ReadSlice(part), LaneKind::Copy);
                        self.add(task.weighing(bytes).after(vec![loaded]))
                    })
                    .collect();
                let task = Task::new(Work::ReadBack(at), LaneKind::Copy).weighing(bytes);
                self.add(task.small(whole).after([vec![loaded], slices].concat()))
            };
            for name in names {
                self.loaded.insert(name.clone(), loaded);
                self.settled.insert(name, settled);
            }
            self.settled_all.push(settled);
        }
    }

    /// The bytes of a small table that is a part by itself and needs nobody else's.
    fn small_part(&self, part: &Part) -> Option<u64> {
        let table = &self.plan.tables[part.table];
        let whole = part.from.is_none() && part.until.is_none();
        let free = table.behind.is_empty() && !table.guard.locks();
        // Small ones are asked for together, and each would need its own search path.
        let free = free && table.format.search_path.is_none();
        (whole && free && table.bytes <= SMALL).then_some(table.bytes)
    }

    /// The bytes that a step looks at, if they are few: those of its relation, else of all whose
    /// rows it needs.
    fn small_step(&self, step: &Step) -> Option<u64> {
        let of = |name: &RelationName| self.bytes.get(name).copied();
        let bytes = match (step.relation.as_ref().and_then(of), &step.rows) {
            (Some(bytes), _) => bytes,
            (None, Rows::Of(names)) => names.iter().filter_map(of).sum(),
            (None, Rows::None) => 0,
            (None, Rows::All) => return None,
        };
        (bytes <= SMALL).then_some(bytes)
    }

    /// The parts whose blocks are read back one by one, if a table is large enough to have several.
    /// Their number and borders are those of the run, so all its processes agree on them. Before 14
    /// each would scan the whole table.
    fn slices(&self, read_back: &ReadBack) -> Vec<PartId> {
        let [table] = read_back.tables[..] else { return Vec::new() };
        let in_blocks = self.plan.tables[table].has_ctid && !read_back.with_partitions;
        if !in_blocks || !self.target.at_least(14) || self.options.verify != Verify::Full {
            return Vec::new();
        }
        let parts: Vec<PartId> = self.plan.parts_of(table).map(|part| part.id).collect();
        if parts.len() > 1 { parts } else { Vec::new() }
    }

    fn of_stage(&self, stage: Stage) -> Vec<StepId> {
        let of_stage = |(_, step): &(usize, &SchemaStep)| step.step.stage == stage;
        self.steps.iter().enumerate().filter(of_stage).map(|(at, _)| StepId(at)).collect()
    }

    fn mapped(&self, steps: &[StepId]) -> Vec<TaskId> {
        steps.iter().filter_map(|step| self.by_step.get(step)).copied().collect()
    }

    /// Indexes, and what comes after them.
    fn parallel(&mut self, data: TaskId) -> Vec<TaskId> {
        let mut ids = [self.of_stage(Stage::Index), self.of_stage(Stage::PostData)].concat();
        ids.sort_unstable();
        let mut all = Vec::new();
        for id in ids {
            let step = &self.steps[id.0].step;
            let rows = if step.stage == Stage::Index { &self.loaded } else { &self.settled };
            let mut after = match &step.rows {
                Rows::None => Vec::new(),
                Rows::Of(names) => {
                    names.iter().filter_map(|name| rows.get(name)).copied().collect()
                }
                Rows::All => vec![data],
            };
            after.extend(self.mapped(&step.after));
            let behind = self.mapped(&step.behind);
            let mut resources: Vec<String> =
                step.locks.iter().map(|relation| format!("relation {relation}")).collect();
            if step.alone {
                resources.push("alone".to_owned());
            }
            let weight = step.relation.as_ref().and_then(|name| self.bytes.get(name));
            let task = Task::new(Work::Schema(id.0), LaneKind::Step)
                .weighing(weight.copied().unwrap_or(0).saturating_add(1))
                .after(after)
                .behind(behind)
                .small(self.small_step(step))
                .alone_with(resources);
            let task = self.add(task);
            self.by_step.insert(id, task);
            all.push(task);
        }
        all
    }

    /// Statistics of the tables that bring none: not before their indexes and extended statistics
    /// are made, since ANALYZE gathers for those that it finds; nor does it wait for their locks then.
    fn analyses(&mut self) {
        let mut made: HashMap<&RelationName, Vec<TaskId>> = HashMap::new();
        for (at, step) in self.steps.iter().enumerate() {
            let counts = matches!(step.step.kind, Kind::Index | Kind::Statistics);
            if let (true, Some(name), Some(task)) =
                (counts, &step.step.relation, self.by_step.get(&StepId(at)))
            {
                made.entry(name).or_default().push(*task);
            }
        }
        for read_back in &self.plan.read_backs {
            if self.counted.contains(&read_back.name) {
                continue;
            }
            let tables = || read_back.tables.iter().map(|table| &self.plan.tables[*table]);
            let bytes: u64 = tables().map(|table| table.bytes).sum();
            let names = tables().map(|table| &table.name).chain([&read_back.name]);
            let made = names.filter_map(|name| made.get(name)).flatten();
            let behind: BTreeSet<TaskId> = made.copied().collect();
            let settled = self.settled.get(&read_back.name).copied();
            let task = Task::new(Work::Analyze(read_back.name.clone()), LaneKind::Step)
                .small((bytes <= SMALL).then_some(bytes))
                .after(settled.into_iter().collect())
                .behind(behind.into_iter().collect());
            self.add(task);
        }
    }

    /// One at a time in their order, each whatever became of those before it. Gives the end.
    fn serial(&mut self, stage: Stage, start: TaskId) -> TaskId {
        let mut last = start;
        for id in self.of_stage(stage) {
            let task = Task::new(Work::Schema(id.0), LaneKind::Step).behind(vec![last]);
            last = self.add(task.small(Some(0)));
        }
        last
    }

    /// Not before all rows are there: they would fire for what copies the rest.
    fn event_triggers(&mut self, start: TaskId) {
        let mut last = start;
        for id in self.of_stage(Stage::EventTriggers) {
            let task = Task::new(Work::Schema(id.0), LaneKind::Step);
            last = self.add(task.after(vec![start]).behind(vec![last]));
        }
    }

    /// Refreshes, each after all rows and those of the views that it reads.
    fn refreshes(&mut self, start: TaskId, data: TaskId) -> Vec<TaskId> {
        let mut all = Vec::new();
        for id in self.of_stage(Stage::Refresh) {
            let after = [vec![data], self.mapped(&self.steps[id.0].step.after)].concat();
            let task = Task::new(Work::Schema(id.0), LaneKind::Step);
            let task = self.add(task.after(after).behind(vec![start]));
            self.by_step.insert(id, task);
            all.push(task);
        }
        all
    }
}
