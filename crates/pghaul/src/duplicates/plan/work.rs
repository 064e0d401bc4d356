//! What is known while a plan is made: which rows are one, which of them stays, and what that means
//! for the rows that refer to them.
//!
//! Tables are looked at in the order in which they refer to each other, parents first. Merging
//! parents can make children equal under a unique index of their own: they are groups like all
//! others, and so on to any depth, until nothing is new.
//!
//! Invariants: rows that are one never come apart again, so it ends; groups are kept in files, and
//! what is held in memory beside them is counted and stays within the budget; nothing is read
//! through an index.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use pghaul_rows::Tid;

use super::answers::Answers;
use super::digests::Digests;
use super::groups::{Fate, Groups};
use super::mapped::{MappedTable, Overrides, Touched, key_in};
use super::mapping::{Keys, Mapping};
use super::sets::Sets;
use super::{Finds, PlanOptions};
use crate::connect::Session;
use crate::duplicates::rules::Removed;
use crate::duplicates::tables::Tables;
use crate::error::{Error, ErrorKind};
use crate::name::Ident;

/// Rows fetched by ctid in one statement.
pub(super) const ROWS_AT_ONCE: usize = 2000;

/// How many rows are read until memory is looked at again.
const CHECKED_EVERY: usize = 1000;

/// Bytes of a row that goes for good.
const BYTES_A_REMOVED: u64 = 48;

/// Everything while a plan is made.
pub(super) struct Work<'a> {
    pub(super) session: &'a Session,
    pub(super) tables: &'a Tables,
    pub(super) digests: &'a Digests,
    pub(super) answers: &'a Answers,
    pub(super) options: &'a PlanOptions,
    /// By the place of the table.
    pub(super) states: Vec<State>,
    /// Tables, parents first.
    pub(super) order: Vec<usize>,
    /// Groups that must be left alone because of a question about rows below them: table and the
    /// lowest ctid.
    withheld: BTreeSet<(usize, Tid)>,
    /// Questions that were met and have an answer.
    pub(super) asked: BTreeSet<String>,
}

/// What is known of one table.
#[derive(Default)]
pub(super) struct State {
    /// Rows that share a key of an index.
    pub(super) found: Sets,
    /// Groups whose rows all stay, but for the key: by the index's place.
    pub(super) clears: BTreeMap<usize, Vec<Vec<Tid>>>,
    /// The groups, by their lowest ctid.
    pub(super) groups: Groups,
    /// How many rows are in them.
    pub(super) rows: usize,
    /// Rows that go for good, and why.
    pub(super) removed: BTreeMap<Tid, &'static str>,
    /// Rows that stay, and whose key by which others refer to them is made of references that change:
    /// in maps they come after the groups and the rows that go for good.
    pub(super) moved: Vec<Tid>,
    /// By the columns that others refer to.
    pub(super) maps: BTreeMap<Vec<String>, Mapping>,
    /// The lowest value of whole-number keys, for keys that nobody has.
    pub(super) lowest: BTreeMap<String, i128>,
    /// By the place of an index: columns of its expressions that tell rows apart.
    pub(super) telling: BTreeMap<usize, Vec<String>>,
}

impl<'a> Work<'a> {
    /// Begins; `finds` says which rows share a key.
    pub(super) fn new(
        session: &'a Session,
        tables: &'a Tables,
        digests: &'a Digests,
        (answers, options): (&'a Answers, &'a PlanOptions),
        finds: Finds,
    ) -> Self {
        Self {
            session,
            tables,
            digests,
            answers,
            options,
            states: finds.into_states(),
            order: order(tables),
            withheld: BTreeSet::new(),
            asked: BTreeSet::new(),
        }
    }

    /// An error if what is held in memory, and so many bytes beside it, is more than it may be.
    pub(super) fn check_memory(&self, beside: u64) -> Result<(), Error> {
        let held: u64 = self.states.iter().map(State::bytes).sum();
        let needed = held + beside;
        if needed <= self.options.memory {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "cannot plan so many duplicates at once with {} MiB of memory",
                self.options.memory >> 20
            ),
        )
        .with_hint("raise --memory, or plan and repair some tables at a time with --table"))
    }

    /// Follows what merging means until nothing is new.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        loop {
            self.settle_once().await?;
            let blocked = self.blocked_by_questions().await?;
            let before = self.withheld.len();
            self.withheld.extend(blocked);
            if self.withheld.len() == before {
                return Ok(());
            }
            // What they made equal below them is not equal after all: from the beginning.
            self.states.iter_mut().for_each(State::restart);
        }
    }

    async fn settle_once(&mut self) -> Result<(), Error> {
        let mut dirty: BTreeSet<usize> = BTreeSet::new();
        for table in self.order.clone() {
            self.visit(table).await?;
            dirty.remove(&table);
            if !self.states[table].maps.is_empty() {
                dirty.extend(self.behind(table));
            }
        }
        // References in circles: until nothing changes any more.
        while let Some(table) = dirty.pop_first() {
            let before = self.sizes(table);
            self.visit(table).await?;
            if self.sizes(table) != before {
                dirty.extend(self.tables.to(table).map(|reference| reference.child));
            }
        }
        Ok(())
    }

    /// Children of a table that stand before it in the order, or are itself.
    fn behind(&self, table: usize) -> Vec<usize> {
        let place = |which: usize| self.order.iter().position(|other| *other == which);
        self.tables
            .to(table)
            .map(|reference| reference.child)
            .filter(|child| place(*child) <= place(table))
            .collect()
    }

    fn sizes(&self, table: usize) -> (usize, usize, usize) {
        let state = &self.states[table];
        let mapped = state.maps.values().map(Mapping::len).sum();
        (state.rows, state.groups.len(), mapped)
    }

    async fn visit(&mut self, table: usize) -> Result<(), Error> {
        let mut sets = self.states[table].found.clone();
        // What was one once stays one, so that there is an end.
        for group in self.states[table].groups.read() {
            sets.add_collision(&group?.rows);
        }
        if !self.active(table).is_empty() {
            self.find_removed(table).await?;
            self.find_collisions(table, &mut sets).await?;
        }
        if sets.is_empty() && self.states[table].removed.is_empty() && !self.moves_keys(table) {
            return Ok(());
        }
        self.decide(table, sets).await?;
        self.map(table).await
    }

    /// Rows that would refer to themselves, and rows of rows that go for good.
    async fn find_removed(&mut self, table: usize) -> Result<(), Error> {
        let facts = &self.tables.list[table];
        let mut found: BTreeMap<Tid, &'static str> = BTreeMap::new();
        let mapped = self.mapped_table(table, Touched::Losers, &Overrides::new());
        for [left, right] in &facts.rule.differ {
            let expression = |name: &String| {
                mapped.columns.iter().find(|(column, _)| column == name).map(|(_, e)| e.clone())
            };
            let (Some(new_left), Some(new_right)) = (expression(left), expression(right)) else {
                continue;
            };
            let quoted = |name: &String| format!("t.{}", Ident::new(name).quoted());
            let sql = format!(
                "select t.ctid::text from {} where ({}) and {new_left} = {new_right} \
                 and {} is distinct from {}",
                mapped.from,
                mapped.condition,
                quoted(left),
                quoted(right)
            );
            let doing = format!("find rows of `{}` that would refer to themselves", facts.name);
            self.ctids(&doing, &sql, &mapped, |tid| {
                found.insert(tid, "it would refer to itself");
                found.len() as u64 * BYTES_A_REMOVED
            })
            .await?;
        }
        let gone = self
            .tables
            .of(table)
            .filter(|reference| reference.removed == Removed::Remove)
            .any(|reference| self.mapping(reference).is_some_and(Mapping::has_gone));
        if gone {
            found.extend(self.rows_of_gone(table).await?);
        }
        self.states[table].removed.extend(found);
        self.check_memory(0)
    }

    /// Reads a column of ctids; `take` says how many bytes are held then.
    pub(super) async fn ctids(
        &self,
        doing: &str,
        sql: &str,
        of: &MappedTable,
        mut take: impl FnMut(Tid) -> u64,
    ) -> Result<(), Error> {
        let mut rows = Box::pin(self.session.stream(doing, sql, &of.parameters()).await?);
        let mut checked = 0;
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.session.error(doing, &error))?;
            let Some(tid) = Tid::from_text(row.get::<_, &str>(0).as_bytes()) else { continue };
            let held = take(tid);
            checked += 1;
            if checked % CHECKED_EVERY == 0 {
                self.check_memory(held)?;
            }
        }
        Ok(())
    }

    async fn rows_of_gone(&self, table: usize) -> Result<BTreeMap<Tid, &'static str>, Error> {
        let mut found = BTreeMap::new();
        let facts = &self.tables.list[table];
        for reference in self.active(table) {
            let Some(mapping) = self.mapping(reference) else { continue };
            if reference.kind == crate::duplicates::rules::ReferenceKind::Array
                || reference.removed == Removed::Clear
                || !mapping.has_gone()
            {
                continue;
            }
            let mapped = self.mapped_table(table, Touched::Gone, &Overrides::new());
            let sql =
                format!("select t.ctid::text from {} where {}", mapped.from, mapped.condition);
            let doing = format!("find rows of `{}` that go with others", facts.name);
            self.ctids(&doing, &sql, &mapped, |tid| {
                found.insert(tid, "what it refers to is removed");
                found.len() as u64 * BYTES_A_REMOVED
            })
            .await?;
            break;
        }
        Ok(found)
    }

    /// Rows that are equal once their parents are merged.
    async fn find_collisions(&self, table: usize, sets: &mut Sets) -> Result<(), Error> {
        let tables = self.tables;
        let facts = &tables.list[table];
        let moved: BTreeSet<String> = self
            .active(table)
            .iter()
            .flat_map(|reference| reference.columns.iter().cloned())
            .collect();
        for unique in &facts.uniques {
            if !unique.reads.iter().any(|column| moved.contains(column)) {
                continue;
            }
            let overrides = self
                .overrides(table, Touched::Members, |column| {
                    unique.reads.iter().any(|read| read == column)
                })
                .await?;
            let mapped = self.mapped_table(table, Touched::Members, &overrides);
            let mut conditions: Vec<String> =
                unique.predicate.iter().map(|predicate| format!("({predicate})")).collect();
            if !unique.nulls_equal {
                conditions
                    .extend(unique.keys.iter().map(|key| format!("({key}) is distinct from null")));
            }
            let removed: Vec<String> =
                self.states[table].removed.keys().map(ToString::to_string).collect();
            if !removed.is_empty() {
                let list: Vec<String> = removed.iter().map(|tid| format!("'{tid}'")).collect();
                conditions.push(format!("\"pghaul ctid\"::text not in ({})", list.join(", ")));
            }
            let condition =
                if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
            let keys: Vec<String> = unique.keys.iter().map(|key| format!("({key})")).collect();
            let sql = format!(
                "select pg_catalog.array_agg(\"pghaul ctid\"::text) from {} where {condition} \
                 group by {} having pg_catalog.count(*) > 1 and pg_catalog.bool_or(\"pghaul changed\")",
                mapped.subquery(),
                keys.join(", "),
            );
            let doing = format!("find rows of `{}` that collide under {}", facts.name, unique.name);
            let mut rows = Box::pin(self.session.stream(&doing, &sql, &mapped.parameters()).await?);
            let mut checked = 0;
            while let Some(row) = rows.next().await {
                let row = row.map_err(|error| self.session.error(&doing, &error))?;
                let tids: Vec<Tid> = row
                    .get::<_, Vec<&str>>(0)
                    .into_iter()
                    .filter_map(|text| Tid::from_text(text.as_bytes()))
                    .collect();
                sets.add_collision(&tids);
                checked += 1;
                if checked % CHECKED_EVERY == 0 {
                    self.check_memory(sets.bytes())?;
                }
            }
        }
        self.check_memory(sets.bytes())
    }

    /// Groups above which a question stands: their parents must wait for the answer.
    async fn blocked_by_questions(&self) -> Result<BTreeSet<(usize, Tid)>, Error> {
        let mut blocked = BTreeSet::new();
        for table in 0..self.tables.list.len() {
            let mut asked: Vec<Tid> = Vec::new();
            for group in self.states[table].groups.read() {
                let group = group?;
                if group.collision && matches!(group.fate, Fate::Ask(..)) {
                    asked.extend(group.rows);
                }
            }
            if asked.is_empty() {
                continue;
            }
            let mut parents: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            let mut below: Vec<(usize, Vec<Tid>)> = vec![(table, asked)];
            while let Some((child, tids)) = below.pop() {
                for (parent, group) in self.parents_of(child, &tids).await? {
                    if !parents.entry(parent).or_default().insert(group) {
                        continue;
                    }
                    // What moves that row stands above it.
                    let state = &self.states[parent];
                    let moved = group.checked_sub(state.first_moved());
                    below.extend(
                        moved.and_then(|at| state.moved.get(at)).map(|tid| (parent, vec![*tid])),
                    );
                }
            }
            for (parent, groups) in parents {
                for (place, group) in self.states[parent].groups.read().enumerate() {
                    let group = group?;
                    if let (true, Some(lowest)) = (groups.contains(&place), group.rows.iter().min())
                    {
                        blocked.insert((parent, *lowest));
                    }
                }
            }
        }
        Ok(blocked)
    }

    /// The groups that rows refer to.
    async fn parents_of(
        &self,
        table: usize,
        tids: &[Tid],
    ) -> Result<BTreeSet<(usize, usize)>, Error> {
        let mut parents = BTreeSet::new();
        let active = self.active(table);
        let columns: Vec<&str> =
            active.iter().flat_map(|r| r.columns.iter().map(String::as_str)).collect();
        for chunk in tids.chunks(ROWS_AT_ONCE) {
            let rows = self.values(table, chunk, &columns).await?;
            for reference in &active {
                let Some(mapping) = self.mapping(reference) else { continue };
                let mut keys = Keys::default();
                for (_, values) in &rows {
                    let value = |column: &str| {
                        values[columns.iter().position(|other| *other == column)?].as_deref()
                    };
                    let Some(key) = key_in(&reference.columns, value) else { continue };
                    match mapping.get(&key) {
                        Some(mapped) => drop(parents.insert((reference.parent, mapped.group))),
                        // It refers to one that stays, if to any.
                        None => keys.insert(&key),
                    }
                }
                keys.settle();
                if !keys.is_empty() {
                    let stays =
                        |new: &Option<String>| new.as_ref().is_some_and(|new| keys.contains(new));
                    let groups = mapping.iter().filter(|(_, to)| stays(&to.new));
                    parents.extend(groups.map(|(_, to)| (reference.parent, to.group)));
                }
            }
        }
        Ok(parents)
    }

    /// Columns of rows, as text.
    pub(super) async fn values(
        &self,
        table: usize,
        tids: &[Tid],
        columns: &[&str],
    ) -> Result<Vec<(Tid, Vec<Option<String>>)>, Error> {
        let name = &self.tables.list[table].name;
        let ctids: Vec<String> = tids.iter().map(ToString::to_string).collect();
        let list: Vec<String> = columns.iter().map(|column| text_of(column)).collect();
        let sql = format!(
            "select t.ctid::text, array[{}]::text[] from only {} as t \
             where t.ctid = any ($1::text[]::pg_catalog.tid[])",
            list.join(", "),
            name.quoted()
        );
        let rows = self.session.query(&format!("read rows of `{name}`"), &sql, &[&ctids]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| Some((Tid::from_text(row.get::<_, &str>(0).as_bytes())?, row.get(1))))
            .collect())
    }

    /// Whether a group may not be touched, because of a question about rows that refer to it.
    pub(super) fn is_withheld(&self, table: usize, rows: &[Tid]) -> bool {
        rows.iter().min().is_some_and(|lowest| self.withheld.contains(&(table, *lowest)))
    }
}

/// A column as COPY's text, or NULL. A composite with a NULL in it is neither NULL nor NOT NULL by
/// SQL's word, but distinct from NULL.
pub(in crate::duplicates) fn text_of(column: &str) -> String {
    let column = format!("t.{}", Ident::new(column).quoted());
    format!("case when {column} is distinct from null then pg_catalog.format('%s', {column}) end")
}

impl State {
    fn restart(&mut self) {
        self.groups = Groups::default();
        self.rows = 0;
        self.removed.clear();
        self.moved.clear();
        self.maps.clear();
    }

    /// The place in maps of the first row that is moved.
    pub(super) fn first_moved(&self) -> usize {
        self.groups.len() + self.removed.len()
    }

    /// The memory that it needs.
    pub(super) fn bytes(&self) -> u64 {
        let clears: usize = self.clears.values().flatten().map(|rows| 48 + rows.len() * 8).sum();
        self.found.bytes()
            + self.maps.values().map(Mapping::bytes).sum::<u64>()
            + self.removed.len() as u64 * BYTES_A_REMOVED
            + (self.moved.capacity() * size_of::<Tid>()) as u64
            + clears as u64
    }
}

/// Tables, parents before the children that refer to them, as far as references run in no circle;
/// by name where that leaves a choice.
fn order(tables: &Tables) -> Vec<usize> {
    fn visit(tables: &Tables, table: usize, seen: &mut Vec<bool>, order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[table], true) {
            return;
        }
        let matters = |column: &String| {
            let facts = &tables.list[table];
            facts.uniques.iter().any(|unique| unique.reads.contains(column))
                || facts.rule.agree.contains(column)
                || facts.rule.differ.iter().any(|pair| pair.contains(column))
        };
        // What decides about groups first, so that circles are cut where they do not matter.
        for decides in [true, false] {
            for reference in tables.of(table).filter(|r| r.columns.iter().any(matters) == decides) {
                visit(tables, reference.parent, seen, order);
            }
        }
        order.push(table);
    }
    let mut seen = vec![false; tables.list.len()];
    let mut order = Vec::new();
    for table in 0..tables.list.len() {
        visit(tables, table, &mut seen, &mut order);
    }
    order
}
