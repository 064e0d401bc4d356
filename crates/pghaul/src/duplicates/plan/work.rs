//! What is known while a plan is made: which rows are one, which of them stays, and what that means
//! for the rows that refer to them.
//!
//! Tables are looked at in the order in which they refer to each other, parents first. Merging
//! parents can make children equal under a unique index of their own: they are groups like all
//! others, and so on to any depth, until nothing is new.
//!
//! Invariants: rows that are one never come apart again, so it ends; what is held in memory is
//! some 200 bytes a row of a group, counted before it is held; nothing is read through an index.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pghaul_rows::Tid;

use super::answers::Answers;
use super::digests::Digests;
use super::mapped::{Mapping, Overrides, Touched, key_in};
use super::{Find, PlanOptions};
use crate::connect::Session;
use crate::duplicates::rules::{Others, Removed};
use crate::duplicates::tables::Tables;
use crate::error::{Error, ErrorKind};
use crate::name::Ident;

/// Rows fetched by ctid in one statement.
pub(super) const ROWS_AT_ONCE: usize = 2000;

/// Bytes that a row of a group costs until the plan is written.
const BYTES_A_ROW: u64 = 200;

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
    /// Questions that were met, answered ones too.
    pub(super) asked: BTreeSet<String>,
    rows: u64,
}

/// What is known of one table.
#[derive(Default)]
pub(super) struct State {
    nodes: HashMap<Tid, u32>,
    tids: Vec<Tid>,
    above: Vec<u32>,
    /// Which unique indexes found the row in a group, by their places.
    found_by: Vec<u64>,
    /// Groups whose rows all stay, but for the key: by the index's place.
    pub(super) clears: BTreeMap<usize, Vec<Vec<Tid>>>,
    /// The groups, by their lowest ctid.
    pub(super) groups: Vec<Group>,
    /// Rows that go for good, and why.
    pub(super) removed: BTreeMap<Tid, &'static str>,
    /// By the columns that others refer to.
    pub(super) maps: BTreeMap<Vec<String>, Mapping>,
    /// The lowest value of whole-number keys, for keys that nobody has.
    pub(super) lowest: BTreeMap<String, i128>,
}

/// Rows that are one.
#[derive(Debug)]
pub(super) struct Group {
    /// The row that stays first, then the others in the order of the rule.
    pub(super) rows: Vec<Tid>,
    /// Which unique indexes found it, by their places.
    pub(super) found_by: u64,
    /// Why the first stays.
    pub(super) because: String,
    /// What happens.
    pub(super) fate: Fate,
    /// Found by merging parents only.
    pub(super) collision: bool,
}

/// What happens to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The others are merged into the first.
    Merge,
    /// The others get another name.
    Rename,
    /// The others get these keys, in the order of the rows.
    NewKeys(Vec<String>),
    /// It is asked: the question's name, and why.
    Ask(String, String),
}

impl<'a> Work<'a> {
    /// Begins; `found` says which rows share a key.
    pub(super) fn new(
        session: &'a Session,
        tables: &'a Tables,
        digests: &'a Digests,
        (answers, options): (&'a Answers, &'a PlanOptions),
    ) -> Self {
        Self {
            session,
            tables,
            digests,
            answers,
            options,
            states: tables.list.iter().map(|_| State::default()).collect(),
            order: order(tables),
            withheld: BTreeSet::new(),
            asked: BTreeSet::new(),
            rows: 0,
        }
    }

    /// Notes rows that share a key of an index.
    pub(super) fn add(&mut self, find: &Find) -> Result<(), Error> {
        self.count(find.rows.len())?;
        let unique = &self.tables.list[find.table].uniques[find.unique];
        if unique.others == Others::Clear {
            self.states[find.table].clears.entry(find.unique).or_default().push(find.rows.clone());
            return Ok(());
        }
        self.states[find.table].unite(&find.rows, find.unique);
        Ok(())
    }

    fn count(&mut self, rows: usize) -> Result<(), Error> {
        self.rows += rows as u64;
        let needed = self.rows.saturating_mul(BYTES_A_ROW);
        if needed <= self.options.memory {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "cannot plan more than {} rows of groups at once with {} MiB of memory",
                self.options.memory / BYTES_A_ROW,
                self.options.memory >> 20
            ),
        )
        .with_hint("raise --memory: a row that shares a key needs 200 bytes"))
    }

    /// Follows what merging means until nothing is new.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        let found: Vec<(Vec<Tid>, Vec<u32>, Vec<u64>)> = self
            .states
            .iter()
            .map(|state| (state.tids.clone(), state.above.clone(), state.found_by.clone()))
            .collect();
        loop {
            self.settle_once().await?;
            let blocked = self.blocked_by_questions().await?;
            let before = self.withheld.len();
            self.withheld.extend(blocked);
            if self.withheld.len() == before {
                return Ok(());
            }
            // What they made equal below them is not equal after all: from the beginning.
            for (state, (tids, above, found_by)) in self.states.iter_mut().zip(&found) {
                state.restart(tids.clone(), above.clone(), found_by.clone());
            }
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
        let mapped = state.maps.values().map(|mapping| mapping.entries.len()).sum();
        (state.tids.len(), state.groups.len(), mapped)
    }

    async fn visit(&mut self, table: usize) -> Result<(), Error> {
        let active = !self.active(table).is_empty();
        if active {
            self.find_removed(table).await?;
            self.find_collisions(table).await?;
        }
        if self.states[table].tids.is_empty() && self.states[table].removed.is_empty() {
            return Ok(());
        }
        self.decide(table).await?;
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
            for row in self.session.query(&doing, &sql, &mapped.parameters()).await? {
                if let Some(tid) = Tid::from_text(row.get::<_, &str>(0).as_bytes()) {
                    found.insert(tid, "it would refer to itself");
                }
            }
        }
        let gone = self
            .tables
            .of(table)
            .filter(|reference| reference.removed == Removed::Remove)
            .any(|reference| self.mapping(reference).is_some_and(Mapping::has_gone));
        if gone {
            found.extend(self.rows_of_gone(table).await?);
        }
        self.count(found.len().saturating_sub(self.states[table].removed.len()))?;
        self.states[table].removed.extend(found);
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
            for row in self.session.query(&doing, &sql, &mapped.parameters()).await? {
                if let Some(tid) = Tid::from_text(row.get::<_, &str>(0).as_bytes()) {
                    found.insert(tid, "what it refers to is removed");
                }
            }
            break;
        }
        Ok(found)
    }

    /// Rows that are equal once their parents are merged.
    async fn find_collisions(&mut self, table: usize) -> Result<(), Error> {
        let tables = self.tables;
        let facts = &tables.list[table];
        let moved: BTreeSet<String> = self
            .active(table)
            .iter()
            .flat_map(|reference| reference.columns.iter().cloned())
            .collect();
        for (place, unique) in facts.uniques.iter().enumerate() {
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
            let rows = self.session.query(&doing, &sql, &mapped.parameters()).await?;
            for row in rows {
                let tids: Vec<Tid> = row
                    .get::<_, Vec<&str>>(0)
                    .into_iter()
                    .filter_map(|text| Tid::from_text(text.as_bytes()))
                    .collect();
                let new = tids.iter().filter(|tid| !self.states[table].nodes.contains_key(tid));
                self.count(new.count())?;
                self.states[table].unite_by_collision(&tids, place);
            }
        }
        Ok(())
    }

    /// Groups above which a question stands: their parents must wait for the answer.
    async fn blocked_by_questions(&self) -> Result<BTreeSet<(usize, Tid)>, Error> {
        let mut blocked = BTreeSet::new();
        for table in 0..self.tables.list.len() {
            let asked: Vec<Tid> = self.states[table]
                .groups
                .iter()
                .filter(|group| group.collision && matches!(group.fate, Fate::Ask(..)))
                .flat_map(|group| group.rows.iter().copied())
                .collect();
            if asked.is_empty() {
                continue;
            }
            for (parent, group) in self.parents_of(table, &asked).await? {
                if let Some(lowest) = self.states[parent].groups[group].rows.iter().min() {
                    blocked.insert((parent, *lowest));
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
            for (_, values) in self.values(table, chunk, &columns).await? {
                let value = |column: &str| {
                    values[columns.iter().position(|other| *other == column)?].as_deref()
                };
                for reference in &active {
                    let Some(mapping) = self.mapping(reference) else { continue };
                    let key = key_in(&reference.columns, value);
                    let own = key.as_ref().and_then(|key| mapping.entries.get(key));
                    let as_new =
                        mapping.entries.values().find(|to| to.new.is_some() && to.new == key);
                    if let Some(mapped) = own.or(as_new) {
                        parents.insert((reference.parent, mapped.group));
                    }
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
    fn restart(&mut self, tids: Vec<Tid>, above: Vec<u32>, found_by: Vec<u64>) {
        self.nodes = (0..).zip(&tids).map(|(node, tid)| (*tid, node)).collect();
        (self.tids, self.above, self.found_by) = (tids, above, found_by);
        self.groups.clear();
        self.removed.clear();
        self.maps.clear();
    }

    fn node(&mut self, tid: Tid) -> u32 {
        let next = u32::try_from(self.tids.len()).unwrap_or(u32::MAX);
        let node = *self.nodes.entry(tid).or_insert(next);
        if node == next {
            self.tids.push(tid);
            self.above.push(node);
            self.found_by.push(0);
        }
        node
    }

    fn top(&self, mut node: u32) -> u32 {
        while self.above[node as usize] != node {
            node = self.above[node as usize];
        }
        node
    }

    fn unite(&mut self, tids: &[Tid], unique: usize) {
        let nodes: Vec<u32> = tids.iter().map(|tid| self.node(*tid)).collect();
        let Some(first) = nodes.first().map(|node| self.top(*node)) else { return };
        let mut top = first;
        for node in nodes {
            self.found_by[node as usize] |= 1 << unique.min(63);
            let other = self.top(node);
            // The lower stays above, whatever the order in which they come.
            let (upper, lower) = (top.min(other), top.max(other));
            self.above[lower as usize] = upper;
            self.above[node as usize] = upper;
            top = upper;
        }
    }

    /// Marks nothing as found by an index: no index is violated yet.
    fn unite_by_collision(&mut self, tids: &[Tid], unique: usize) {
        let before: Vec<(Tid, u64)> = tids
            .iter()
            .filter_map(|tid| Some((*tid, self.found_by[*self.nodes.get(tid)? as usize])))
            .collect();
        self.unite(tids, unique);
        for tid in tids {
            let mark = before.iter().find(|(other, _)| other == tid).map_or(0, |(_, mark)| *mark);
            if let Some(node) = self.nodes.get(tid) {
                self.found_by[*node as usize] = mark;
            }
        }
    }

    /// The rows of each group, and which indexes found it; groups by their lowest ctid.
    pub(super) fn components(&self) -> Vec<(Vec<Tid>, u64)> {
        let mut by_top: BTreeMap<u32, (Vec<Tid>, u64)> = BTreeMap::new();
        for (node, tid) in (0..).zip(&self.tids) {
            if self.removed.contains_key(tid) {
                continue;
            }
            let group = by_top.entry(self.top(node)).or_default();
            group.0.push(*tid);
            group.1 |= self.found_by[node as usize];
        }
        let mut groups: Vec<(Vec<Tid>, u64)> = by_top
            .into_values()
            .filter(|(rows, _)| rows.len() > 1)
            .map(|(mut rows, by)| {
                rows.sort_unstable();
                (rows, by)
            })
            .collect();
        groups.sort_unstable();
        groups
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
