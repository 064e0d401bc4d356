//! Makes the steps.

use std::collections::{BTreeSet, HashMap};

use super::constraint::{foreign_key_parts, index_and_role, key_parts};
use super::key::Names;
use super::{
    Keys, Makes, Privileges, Rows, Stage, Step, StepId, StepOptions, Subscriptions, Validation,
    check_shapes, is_skipped, unknown_kind,
};
use crate::error::Error;
use crate::name::RelationName;
use crate::schema::emit::{Emitted, Emitter};
use crate::schema::entry::{DumpId, Entry, Kind, Section};
use crate::schema::family::Families;
use crate::schema::owner_grant::OwnerGrant;
use crate::schema::subject::Subject;

/// All steps for these entries, which are in the archive's order and of one archive.
///
/// # Errors
/// [`ErrorKind::Preflight`](crate::ErrorKind::Preflight) for an entry of a kind that pghaul does
/// not know, and for statements that are not of the shape that `pg_dump` gives their kind: a name
/// of the source may have been made to smuggle one in.
pub fn steps(entries: &[Entry], options: &StepOptions<'_>) -> Result<Vec<Step>, Error> {
    let mut builder = Builder::new(entries, options);
    builder.check()?;
    builder.pre_data();
    builder.post_data();
    builder.wait_for_indexes();
    builder.privileges();
    builder.refreshes();
    builder.serial(Stage::Statistics);
    builder.serial(Stage::EventTriggers);
    Ok(builder.steps)
}

struct Builder<'a> {
    entries: &'a [Entry],
    options: &'a StepOptions<'a>,
    emitter: Emitter,
    families: Families,
    names: Names,
    /// By entry: its name and its stage; none if it is not run.
    plan: HashMap<DumpId, (String, Stage)>,
    by_id: HashMap<DumpId, &'a Entry>,
    /// The step that makes an entry's object; what depends on the entry waits for it.
    made_by: HashMap<DumpId, StepId>,
    steps: Vec<Step>,
}

impl<'a> Builder<'a> {
    fn new(entries: &'a [Entry], options: &'a StepOptions<'a>) -> Self {
        let by_id: HashMap<DumpId, &Entry> =
            entries.iter().map(|entry| (entry.dump_id, entry)).collect();
        let mut names = Names::default();
        let mut plan: HashMap<DumpId, (String, Stage)> = HashMap::new();
        for entry in entries.iter().filter(|entry| is_wanted(entry, options)) {
            let above = entry.dependencies.iter();
            let above = above.filter_map(|id| Some(plan.get(id)?.1)).max();
            let stage = stage(entry, above.unwrap_or(Stage::PreData));
            plan.insert(entry.dump_id, (names.of(entry), stage));
        }
        Self {
            entries,
            options,
            emitter: Emitter::new(entries, options.emit),
            families: Families::of(entries),
            names,
            plan,
            by_id,
            made_by: HashMap::new(),
            steps: Vec::new(),
        }
    }

    fn of_stage(&self, wanted: &[Stage]) -> Vec<&'a Entry> {
        let is_of = |entry: &&Entry| {
            self.plan.get(&entry.dump_id).is_some_and(|(_, stage)| wanted.contains(stage))
        };
        self.entries.iter().filter(is_of).collect()
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(entry) = self.entries.iter().find(|one| matches!(one.kind, Kind::Unknown(_))) {
            return Err(unknown_kind(entry));
        }
        check_shapes(self.entries.iter().filter(|entry| self.plan.contains_key(&entry.dump_id)))
    }

    fn pre_data(&mut self) {
        let made_here: BTreeSet<&str> = self
            .entries
            .iter()
            .filter(|entry| entry.kind == Kind::Schema && !entry.is_remark())
            .map(|entry| entry.tag.as_str())
            .collect();
        let (late, early): (Vec<&OwnerGrant>, Vec<&OwnerGrant>) =
            self.options.owner_grants.iter().partition(|grant| {
                grant.schema().is_some_and(|schema| made_here.contains(schema.as_str()))
            });
        for grant in early {
            self.owner_grant(grant, Stage::PreData, grant.grant());
        }
        for entry in self.of_stage(&[Stage::PreData]) {
            self.entry(entry);
            if entry.kind == Kind::Schema {
                let is_of = |grant: &&&OwnerGrant| {
                    grant.schema().is_some_and(|schema| schema.as_str() == entry.tag)
                };
                for grant in late.iter().filter(is_of) {
                    self.owner_grant(grant, Stage::PreData, grant.grant());
                }
            }
        }
    }

    /// In the archive's order, which is a topological one: what an entry needs is there already.
    fn post_data(&mut self) {
        for entry in self.of_stage(&[Stage::Index, Stage::PostData]) {
            let emitted = self.emitter.emit(entry);
            match entry.kind {
                Kind::Index => self.index(entry, &emitted),
                Kind::Constraint => self.key(entry, &emitted),
                Kind::FkConstraint => self.foreign_key(entry, &emitted),
                _ => {
                    self.entry(entry);
                }
            }
        }
    }

    fn index(&mut self, entry: &'a Entry, emitted: &Emitted<'a>) {
        let Some((index, role)) = index_and_role(&emitted.definition) else {
            self.entry(entry);
            return;
        };
        let built = self.push_part(entry, emitted.with(index), Makes::Entry, Stage::Index, "");
        self.made_by.insert(entry.dump_id, built);
        let role = Emitted { settings: Vec::new(), ..emitted.with(role) };
        self.part_behind(entry, role, Makes::IndexRole, built, ", role");
    }

    fn key(&mut self, entry: &'a Entry, emitted: &Emitted<'a>) {
        let of_partitioned = Subject::of(entry).relation.is_none_or(|table| {
            self.families.is_partitioned(&table) || !self.families.is_table(&table)
        });
        let parts = match self.options.keys {
            Keys::IndexFirst if !of_partitioned => key_parts(&emitted.definition),
            Keys::IndexFirst | Keys::AsDumped => None,
        };
        let Some(parts) = parts else {
            self.entry(entry);
            return;
        };
        let index = emitted.with(parts.index);
        let built = self.push_part(entry, index, Makes::KeyIndex, Stage::Index, ", index");
        let constraint = Emitted { settings: Vec::new(), ..emitted.with(parts.constraint) };
        let added = self.part_behind(entry, constraint, Makes::Entry, built, "");
        self.made_by.insert(entry.dump_id, added);
    }

    fn foreign_key(&mut self, entry: &'a Entry, emitted: &Emitted<'a>) {
        let of_partitioned = self.options.emit.target.at_least(18);
        let Some(parts) = foreign_key_parts(&emitted.definition, of_partitioned) else {
            self.entry(entry);
            return;
        };
        let add = emitted.with(parts.add);
        let added = self.push_part(entry, add, Makes::ForeignKey, Stage::PostData, "");
        self.made_by.insert(entry.dump_id, added);
        if self.options.validation == Validation::Now {
            let validate = emitted.with(parts.validate);
            let step = self.part_behind(entry, validate, Makes::Validation, added, ", validation");
            // It lets others read and write both tables.
            let own = Subject::of(entry).relation;
            self.steps[step.0].locks = self.families.of_all(own.as_ref());
        }
    }

    /// Builds of indexes go on beside each other on one table; what locks the table exclusively
    /// would stop at them, and stop others. An attachment that makes an index whole locks the table
    /// above exclusively, behind locks of indexes that a foreign key's check stops at: deadlock.
    fn wait_for_indexes(&mut self) {
        let mut builds: HashMap<RelationName, Vec<StepId>> = HashMap::new();
        for (at, step) in self.steps.iter().enumerate() {
            let build = step.relation.iter().filter(|_| step.stage == Stage::Index);
            // It has no table of its own: those of the indexes that it waits for.
            let joined = step.after.iter().filter(|_| step.alone);
            let trees = joined.filter_map(|id| self.steps[id.0].relation.as_ref());
            for relation in build.chain(trees.filter(|table| self.families.is_partitioned(table))) {
                builds.entry(relation.clone()).or_default().push(StepId(at));
            }
        }
        for at in 0..self.steps.len() {
            let step = &self.steps[at];
            if step.stage != Stage::PostData {
                continue;
            }
            let mut behind: Vec<StepId> = step
                .locks
                .iter()
                .filter_map(|table| builds.get(table))
                .flatten()
                .copied()
                .collect();
            behind
                .retain(|build| !step.after.contains(build) && !self.waits_for(*build, StepId(at)));
            behind.sort_unstable();
            self.steps[at].behind = behind;
        }
    }

    /// Whether a step waits for another one, at any distance: an index can need a function that
    /// needs a key of the same table.
    fn waits_for(&self, step: StepId, other: StepId) -> bool {
        let mut seen = BTreeSet::from([step]);
        let mut open = vec![step];
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            let next = &self.steps[next.0];
            open.extend(next.after.iter().chain(&next.behind).filter(|id| seen.insert(**id)));
        }
        false
    }

    fn privileges(&mut self) {
        for grant in self.options.owner_grants {
            self.owner_grant(grant, Stage::Privileges, grant.take_back());
        }
        self.serial(Stage::Privileges);
    }

    fn serial(&mut self, stage: Stage) {
        for entry in self.of_stage(&[stage]) {
            self.entry(entry);
        }
    }

    /// Each view after those that it reads, at any distance: through views and functions too.
    fn refreshes(&mut self) {
        let mut made: HashMap<DumpId, StepId> = HashMap::new();
        for entry in self.entries.iter().filter(|one| one.kind == Kind::MaterializedView) {
            let Some((name, _)) = self.plan.get(&entry.dump_id) else { continue };
            let Some(view) = Subject::of(entry).relation else { continue };
            if !self.options.refresh.contains(&view) {
                continue;
            }
            let key = self.names.unique(format!("{name}, refresh"));
            let reads = self.reached(entry);
            let mut after: Vec<StepId> =
                reads.iter().filter_map(|id| made.get(id)).copied().collect();
            after.sort_unstable();
            let step = Step {
                sql: format!("REFRESH MATERIALIZED VIEW {};\n", view.quoted()),
                object: view.to_string(),
                relation: Some(view),
                after,
                ..empty_step(key, Stage::Refresh, Makes::Refresh, entry)
            };
            made.insert(entry.dump_id, self.push(step));
        }
    }

    fn reached(&self, from: &Entry) -> BTreeSet<DumpId> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Entry> = vec![from];
        while let Some(entry) = open.pop() {
            for id in &entry.dependencies {
                if seen.insert(*id) {
                    open.extend(self.by_id.get(id));
                }
            }
        }
        seen
    }

    fn owner_grant(&mut self, grant: &OwnerGrant, stage: Stage, sql: String) {
        let when = if stage == Stage::PreData { "given" } else { "taken back" };
        let step = Step {
            key: self.names.unique(format!("CREATE on {grant}, {when}")),
            stage,
            makes: Makes::OwnerGrant,
            kind: Kind::Acl,
            entry: None,
            object: grant.to_string(),
            relation: None,
            after: Vec::new(),
            behind: Vec::new(),
            rows: Rows::None,
            locks: BTreeSet::new(),
            alone: false,
            losses: Vec::new(),
            sql,
            secret: false,
        };
        self.push(step);
    }

    /// An entry as a whole.
    fn entry(&mut self, entry: &'a Entry) {
        let Some((_, stage)) = self.plan.get(&entry.dump_id) else { return };
        let (stage, emitted) = (*stage, self.emitter.emit(entry));
        let step = self.push_part(entry, emitted, Makes::Entry, stage, "");
        self.made_by.insert(entry.dump_id, step);
    }

    /// A part that needs another of the same entry.
    fn part_behind(
        &mut self,
        entry: &'a Entry,
        emitted: Emitted<'a>,
        makes: Makes,
        before: StepId,
        suffix: &str,
    ) -> StepId {
        // What is lost was said with the first part.
        let emitted = Emitted { losses: Vec::new(), ..emitted };
        let step = self.push_part(entry, emitted, makes, Stage::PostData, suffix);
        if !self.steps[step.0].after.contains(&before) {
            self.steps[step.0].after.push(before);
        }
        step
    }

    fn push_part(
        &mut self,
        entry: &'a Entry,
        emitted: Emitted<'a>,
        makes: Makes,
        stage: Stage,
        suffix: &str,
    ) -> StepId {
        let name = self.plan.get(&entry.dump_id).map(|(name, _)| name.clone()).unwrap_or_default();
        let key =
            if suffix.is_empty() { name } else { self.names.unique(format!("{name}{suffix}")) };
        let mut step = Step {
            sql: emitted.sql(),
            losses: emitted.losses,
            ..empty_step(key, stage, makes, entry)
        };
        if matches!(stage, Stage::Index | Stage::PostData) {
            self.place(entry, &mut step);
        }
        self.push(step)
    }

    /// What a step of the parallel stages waits for.
    fn place(&self, entry: &Entry, step: &mut Step) {
        let subject = Subject::of(entry);
        // A constraint that takes its index waits for its parent's all the same.
        let needed = |id: &DumpId| {
            step.stage != Stage::Index
                || self.by_id.get(id).is_none_or(|other| entry.is_made_with(other))
        };
        let mut after: Vec<StepId> = entry
            .dependencies
            .iter()
            .filter(|id| needed(id))
            .filter_map(|id| self.made_by.get(id))
            .filter(|id| matches!(self.steps[id.0].stage, Stage::Index | Stage::PostData))
            .copied()
            .collect();
        after.sort_unstable();
        after.dedup();
        step.after = after;
        step.alone = entry.kind == Kind::IndexAttach;
        step.rows = self.rows(entry, &subject);
        if step.stage == Stage::PostData
            && !matches!(entry.kind, Kind::View | Kind::MaterializedView)
        {
            step.locks = self.families.of_all(subject.relation.iter().chain(&subject.others));
        }
        step.relation = subject.relation;
    }

    fn rows(&self, entry: &Entry, subject: &Subject) -> Rows {
        let names = self.families.of_all(subject.relation.iter().chain(&subject.others));
        match entry.kind {
            // New relations, and what hangs on other steps alone.
            Kind::View
            | Kind::MaterializedView
            | Kind::Comment
            | Kind::SecurityLabel
            | Kind::IndexAttach
            | Kind::Function
            | Kind::Procedure
            | Kind::Aggregate => Rows::None,
            // A publication of all tables forbids updates of those without a key.
            _ if names.is_empty() => Rows::All,
            _ => Rows::Of(names),
        }
    }

    fn push(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(self.steps.len() - 1)
    }
}

fn empty_step(key: String, stage: Stage, makes: Makes, entry: &Entry) -> Step {
    Step {
        key,
        stage,
        makes,
        kind: entry.kind.clone(),
        entry: Some(entry.dump_id),
        object: entry.object(),
        relation: None,
        after: Vec::new(),
        behind: Vec::new(),
        rows: Rows::None,
        locks: BTreeSet::new(),
        alone: false,
        losses: Vec::new(),
        sql: String::new(),
        secret: entry.is_secret(),
    }
}

fn is_wanted(entry: &Entry, options: &StepOptions<'_>) -> bool {
    if is_skipped(entry) {
        return false;
    }
    match entry.kind {
        Kind::Acl | Kind::DefaultAcl => options.privileges == Privileges::Carry,
        Kind::Subscription | Kind::SubscriptionTable => {
            options.subscriptions == Subscriptions::Carry
        }
        Kind::Comment | Kind::SecurityLabel if entry.tag.starts_with("SUBSCRIPTION ") => {
            options.subscriptions == Subscriptions::Carry
        }
        _ => true,
    }
}

/// `above` is the latest stage of the entries that this one depends on.
fn stage(entry: &Entry, above: Stage) -> Stage {
    match (&entry.kind, entry.section) {
        (Kind::Acl | Kind::DefaultAcl, _) => Stage::Privileges,
        (Kind::EventTrigger, _) => Stage::EventTriggers,
        (Kind::StatisticsData, _) => Stage::Statistics,
        (Kind::Index, _) => Stage::Index,
        // Belong to what they are about.
        (Kind::Comment | Kind::SecurityLabel, _) => match above {
            Stage::Index => Stage::PostData,
            other => other,
        },
        (_, Section::PostData) => Stage::PostData,
        _ => Stage::PreData,
    }
}
