//! Writes the plan: groups by tables, parents first; then the rows that refer to them.
//!
//! Invariant: everything is in the order of tables and ctids.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::StreamExt;
use pghaul_rows::{RowDigest, Tid};

use super::file::{
    ChangeLine, Counts, FORMAT, GroupLine, Header, KeptLine, Line, LinkedLine, OtherLine,
    PlanWriter, QuestionLine, ReferenceLine, RowLine, TableLine, Then, Values,
};
use super::left_alone;
use super::mapped::{
    ArrayChange, Mapped, Overrides, Touched, array_literal, compare_values, sort_values,
};
use super::release::cleared_column;
use super::work::{Fate, Group, ROWS_AT_ONCE, Work};
use crate::duplicates::rules::{Merge, ReferenceKind, Removed};
use crate::error::{Error, ErrorKind};
use crate::finding::Finding;
use crate::name::Ident;
use crate::state::DatabaseIdentity;

/// What a row of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Stays,
    /// Deleted at once: what it refers to does not matter.
    GoesFirst,
    GoesLast,
    /// Stays, with another key.
    Changes,
}

/// While the plan is written.
struct Emit<'w> {
    writer: &'w mut PlanWriter,
    counts: Counts,
    /// Numbers of groups, by table and place.
    numbers: HashMap<(usize, usize), u32>,
    next: u32,
    /// Groups of rows that are deleted before the indexes are rebuilt.
    first: BTreeSet<u32>,
    links: Links,
    questions: Vec<QuestionLine>,
}

/// A group's rows as they were: digest and primary key.
type Rows = BTreeMap<Tid, (RowDigest, Option<String>)>;

impl Work<'_> {
    /// Writes all of it.
    pub(super) async fn write(
        &mut self,
        writer: &mut PlanWriter,
        database: DatabaseIdentity,
        findings: &mut Vec<Finding>,
    ) -> Result<Counts, Error> {
        writer.line(&Line::Header(Header {
            plan: FORMAT,
            made_by: concat!("pghaul ", env!("CARGO_PKG_VERSION")).to_owned(),
            database,
            rules: self.options.rules.name.clone(),
        }))?;
        let order = self.order.clone();
        let mut touched: Vec<(usize, Vec<Tid>)> = Vec::new();
        for table in &order {
            let rows = self.touched(*table).await?;
            let state = &self.states[*table];
            if !rows.is_empty()
                || !state.groups.is_empty()
                || !state.removed.is_empty()
                || !state.clears.is_empty()
            {
                writer.line(&Line::Table(self.table_line(*table)))?;
                touched.push((*table, rows));
            }
        }
        let mut emit = Emit {
            writer,
            counts: Counts::default(),
            numbers: HashMap::new(),
            next: 1,
            first: BTreeSet::new(),
            links: Links::default(),
            questions: Vec::new(),
        };
        let mut roles: Vec<HashMap<Tid, (u32, Role)>> = Vec::new();
        for (table, _) in &touched {
            roles.push(self.write_groups(&mut emit, *table).await?);
        }
        for ((table, rows), roles) in touched.iter().zip(&roles) {
            self.write_changes(&mut emit, *table, rows, roles).await?;
        }
        for linked in emit.links.groups() {
            emit.writer.line(&Line::Linked(LinkedLine { linked }))?;
        }
        let mut asked: BTreeMap<String, u64> = BTreeMap::new();
        for question in &emit.questions {
            *asked.entry(question.table.clone()).or_default() += 1;
            emit.writer.line(&Line::Question(question.clone()))?;
        }
        for (table, _) in &touched {
            let name = &self.tables.list[*table].name;
            if let Some(groups) = asked.get(&name.to_string()) {
                findings.push(left_alone(name, *groups));
            }
        }
        emit.counts.questions = emit.questions.len() as u64;
        emit.writer.line(&Line::Counts(emit.counts.clone()))?;
        Ok(emit.counts)
    }

    fn table_line(&self, table: usize) -> TableLine {
        let facts = &self.tables.list[table];
        let found = self.states[table].groups.iter().fold(0, |all, group| all | group.found_by)
            | self.states[table].clears.keys().fold(0, |all, place| all | 1 << (*place).min(63));
        let rebuild = facts
            .uniques
            .iter()
            .enumerate()
            .filter(|(place, unique)| !unique.by_rule && found & (1 << (*place).min(63)) != 0)
            .map(|(_, unique)| {
                (unique.name.schema.as_str().to_owned(), unique.name.name.as_str().to_owned())
            })
            .collect();
        let keys: BTreeSet<&str> = self
            .tables
            .to(table)
            .filter(|reference| reference.foreign_key.is_some())
            .map(|reference| reference.parent_column.as_str())
            .collect();
        TableLine {
            table: facts.name.to_string(),
            schema: facts.name.schema.as_str().to_owned(),
            name: facts.name.name.as_str().to_owned(),
            columns: facts
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.type_name.clone()))
                .collect(),
            digest: self.digests.kind(&facts.name).to_owned(),
            rebuild,
            referenced: keys.into_iter().map(str::to_owned).collect(),
            follows_updates: self
                .tables
                .to(table)
                .any(|reference| reference.foreign_key.is_some_and(|key| key.follows_updates)),
            referred_by: self
                .tables
                .to(table)
                .filter(|r| r.foreign_key.is_none() && r.kind == ReferenceKind::Key)
                .map(|r| ReferenceLine {
                    schema: self.tables.list[r.child].name.schema.as_str().to_owned(),
                    table: self.tables.list[r.child].name.name.as_str().to_owned(),
                    column: r.column.clone(),
                    to: r.parent_column.clone(),
                    only: r.type_.clone().map(|type_| (type_.column, type_.value)),
                })
                .collect(),
        }
    }

    /// The rows that refer to a row that goes.
    async fn touched(&self, table: usize) -> Result<Vec<Tid>, Error> {
        if self.active(table).is_empty() {
            return Ok(Vec::new());
        }
        let facts = &self.tables.list[table];
        let mut found: BTreeSet<Tid> = BTreeSet::new();
        let mapped = self.mapped_table(table, Touched::Losers, &Overrides::new());
        let sql = format!("select t.ctid::text from {} where {}", mapped.from, mapped.condition);
        let doing = format!("find the rows of `{}` that refer to duplicates", facts.name);
        let mut rows = Box::pin(self.session.stream(&doing, &sql, &mapped.parameters()).await?);
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.session.error(&doing, &error))?;
            found.extend(Tid::from_text(row.get::<_, &str>(0).as_bytes()));
            if found.len() as u64 > self.options.memory / 16 {
                return Err(Error::new(
                    ErrorKind::Preflight,
                    format!(
                        "more rows of `{}` refer to duplicates than the memory holds",
                        facts.name
                    ),
                )
                .with_hint("raise --memory: each needs 16 bytes"));
            }
        }
        for changes in self.overrides(table, Touched::Losers, |_| true).await?.values() {
            found.extend(changes.keys().filter_map(|ctid| Tid::from_text(ctid.as_bytes())));
        }
        Ok(found.into_iter().collect())
    }

    async fn write_groups(
        &mut self,
        emit: &mut Emit<'_>,
        table: usize,
    ) -> Result<HashMap<Tid, (u32, Role)>, Error> {
        let mut roles = HashMap::new();
        let groups = std::mem::take(&mut self.states[table].groups);
        if !groups.is_empty() {
            self.find_lowest(table).await?;
        }
        let mut at = 0;
        while at < groups.len() {
            let end = (at + ROWS_AT_ONCE / 4).min(groups.len());
            let tids: Vec<Tid> =
                groups[at..end].iter().flat_map(|group| group.rows.iter().copied()).collect();
            let rows = self.rows(table, &tids).await?;
            let merged = self.merged_values(table, &groups[at..end]).await?;
            for (place, group) in (at..end).zip(&groups[at..end]) {
                self.write_group(emit, (table, place), group, &rows, &merged, &mut roles).await?;
            }
            at = end;
        }
        let count = groups.len();
        self.states[table].groups = groups;
        self.write_removed(emit, table, count, &mut roles).await?;
        self.write_clears(emit, table, &mut roles).await?;
        Ok(roles)
    }

    async fn rows(&self, table: usize, tids: &[Tid]) -> Result<Rows, Error> {
        let facts = &self.tables.list[table];
        let mut rows = Rows::new();
        let key = self.single_key(table);
        for chunk in tids.chunks(ROWS_AT_ONCE) {
            let digests =
                self.digests.read(self.session, &facts.name, chunk.iter().copied()).await?;
            let columns: Vec<&str> = key.iter().map(String::as_str).collect();
            let keys: HashMap<Tid, Option<String>> = if columns.is_empty() {
                HashMap::new()
            } else {
                let values = self.values(table, chunk, &columns).await?;
                values.into_iter().map(|(tid, mut values)| (tid, values.pop().flatten())).collect()
            };
            rows.extend(
                digests
                    .into_iter()
                    .map(|(tid, digest)| (tid, (digest, keys.get(&tid).cloned().flatten()))),
            );
        }
        Ok(rows)
    }

    async fn write_group(
        &mut self,
        emit: &mut Emit<'_>,
        (table, place): (usize, usize),
        group: &Group,
        rows: &Rows,
        merged: &HashMap<Tid, Values>,
        roles: &mut HashMap<Tid, (u32, Role)>,
    ) -> Result<(), Error> {
        let facts = &self.tables.list[table];
        let name = facts.name.to_string();
        let by = self.found_by(table, group);
        if let Fate::Ask(question, because) = &group.fate {
            emit.questions.push(QuestionLine {
                question: question.clone(),
                table: name,
                by,
                because: because.clone(),
                rows: group.rows.iter().filter_map(|tid| row_line(*tid, rows)).collect(),
            });
            return Ok(());
        }
        let Some((first, others)) = group.rows.split_first() else { return Ok(()) };
        let number = emit.number(table, place);
        roles.insert(*first, (number, Role::Stays));
        let mut lines = Vec::new();
        for (at, other) in others.iter().enumerate() {
            let (then, set) = match &group.fate {
                Fate::Rename => (Then::Change, self.renamed(table, *other).await?),
                Fate::NewKeys(keys) => {
                    let column = self.single_key(table).ok_or_else(|| {
                        Error::new(
                            ErrorKind::Usage,
                            format!("`{name}` has no key of one column: no new one can be given"),
                        )
                    })?;
                    (Then::Change, Values::from([(column, keys.get(at).cloned())]))
                }
                _ => self.fate_of(table, group, at + 1, rows, number)?,
            };
            let role = match then {
                Then::Change => Role::Changes,
                Then::Delete => Role::GoesFirst,
                Then::Twin if self.has_foreign_keys(table) => Role::GoesFirst,
                Then::Release | Then::DeleteLast | Then::Twin | Then::MoveFirst => Role::GoesLast,
            };
            if then == Then::MoveFirst {
                emit.first.insert(number);
            }
            roles.insert(*other, (number, role));
            if then == Then::Change {
                emit.counts.changed += 1;
            } else {
                emit.counts.deleted += 1;
            }
            if let Some(row) = row_line(*other, rows) {
                lines.push(OtherLine { row, then, set });
            }
        }
        let Some(row) = row_line(*first, rows) else { return Ok(()) };
        let set = match group.fate {
            Fate::Merge => merged.get(first).cloned().unwrap_or_default(),
            _ => Values::new(),
        };
        emit.counts.groups += 1;
        emit.counts.collisions += u64::from(group.collision);
        emit.counts.changed += u64::from(!set.is_empty());
        emit.writer.line(&Line::Group(GroupLine {
            group: number,
            table: name,
            by,
            keep: Some(KeptLine { row, because: group.because.clone(), set }),
            others: lines,
        }))
    }

    fn found_by(&self, table: usize, group: &Group) -> Vec<String> {
        let facts = &self.tables.list[table];
        let names: Vec<String> = facts
            .uniques
            .iter()
            .enumerate()
            .filter(|(place, _)| group.found_by & (1 << (*place).min(63)) != 0)
            .map(|(_, unique)| unique.name.name.as_str().to_owned())
            .collect();
        if names.is_empty() { vec!["merging what they refer to".to_owned()] } else { names }
    }

    /// What becomes of a row that is merged into another.
    fn fate_of(
        &mut self,
        table: usize,
        group: &Group,
        at: usize,
        rows: &Rows,
        number: u32,
    ) -> Result<(Then, Values), Error> {
        let key = |tid: &Tid| rows.get(tid).and_then(|(_, key)| key.clone());
        let own = key(&group.rows[at]);
        let twin = own.is_some() && group.rows[..at].iter().any(|other| key(other) == own);
        if twin && !self.has_foreign_keys(table) {
            return Ok((Then::Delete, Values::new()));
        }
        if !self.is_referred_to(table) {
            return Ok((Then::Delete, Values::new()));
        }
        if group.found_by == 0 {
            return Ok((Then::DeleteLast, Values::new()));
        }
        match self.release(table, group.found_by, twin) {
            Some(columns) => {
                let set = self.released(table, &columns, (number, at));
                Ok((if twin { Then::Twin } else { Then::Release }, set))
            }
            None if !self.has_foreign_keys(table) => Ok((Then::Delete, Values::new())),
            None if twin => Err(Error::new(
                ErrorKind::Bug,
                format!("rows of `{}` cannot give up their keys", self.tables.list[table].name),
            )),
            None => Ok((Then::MoveFirst, Values::new())),
        }
    }

    /// Another name that nobody has.
    async fn renamed(&self, table: usize, tid: Tid) -> Result<Values, Error> {
        let facts = &self.tables.list[table];
        let Some(rename) = facts.rule.rename.as_ref().filter(|rename| facts.has(&rename.column))
        else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("an answer wants rows of `{}` renamed, and no rule says how", facts.name),
            ));
        };
        let values = self.values(table, &[tid], &[&rename.column]).await?;
        let old = values.into_iter().next().and_then(|(_, mut values)| values.pop().flatten());
        let old = old.unwrap_or_default();
        let column = Ident::new(&rename.column).quoted();
        for n in 1..1000 {
            let new = rename.to.replace("{n}", &n.to_string()).replace("{value}", &old);
            let sql = format!(
                "select pg_catalog.count(*) from only {} as t \
                 where pg_catalog.lower(t.{column}::text) = pg_catalog.lower($1::text)",
                facts.name.quoted()
            );
            let doing = format!("look for a name in `{}`", facts.name);
            let row = self.session.query_one(&doing, &sql, &[&new]).await?;
            if row.get::<_, i64>(0) == 0 {
                return Ok(Values::from([(rename.column.clone(), Some(new))]));
            }
        }
        Err(Error::new(ErrorKind::Usage, "a thousand names are taken: rename the row by hand"))
    }

    /// What the rows that stay take in from the others.
    async fn merged_values(
        &self,
        table: usize,
        groups: &[Group],
    ) -> Result<HashMap<Tid, Values>, Error> {
        let facts = &self.tables.list[table];
        let mut all: HashMap<Tid, Values> = HashMap::new();
        if facts.rule.merge.is_empty() {
            return Ok(all);
        }
        let columns: Vec<&str> = facts.rule.merge.keys().map(String::as_str).collect();
        let key = self.single_key(table);
        let mut read = columns.clone();
        read.extend(key.as_deref());
        let tids: Vec<Tid> = groups
            .iter()
            .filter(|group| group.fate == Fate::Merge)
            .flat_map(|group| group.rows.iter().copied())
            .collect();
        let mut values: HashMap<Tid, Vec<Option<String>>> = HashMap::new();
        let mut arrays: HashMap<(&str, Tid), Vec<Option<String>>> = HashMap::new();
        for chunk in tids.chunks(ROWS_AT_ONCE) {
            values.extend(self.values(table, chunk, &read).await?);
            let ctids: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            for (column, merge) in &facts.rule.merge {
                if matches!(merge, Merge::Union | Merge::Append) {
                    for (ctid, array) in self.arrays(table, column, &ctids).await? {
                        if let (Some(tid), Some(array)) = (Tid::from_text(ctid.as_bytes()), array) {
                            arrays.insert((column.as_str(), tid), array);
                        }
                    }
                }
            }
        }
        for group in groups.iter().filter(|group| group.fate == Fate::Merge) {
            let Some(first) = group.rows.first() else { continue };
            let mut set = Values::new();
            for (at, (column, merge)) in facts.rule.merge.iter().enumerate() {
                let own = values.get(first).and_then(|row| row[at].clone());
                let own_key = key.as_ref().and_then(|_| values.get(first)?.last()?.clone());
                let new = match merge {
                    Merge::Union | Merge::Append => {
                        self.merged_array(table, column, *merge, group, &arrays)
                    }
                    _ => {
                        let texts = group
                            .rows
                            .iter()
                            .map(|tid| values.get(tid).and_then(|row| row[at].clone()))
                            .map(|value| self.as_it_will_be(table, column, value))
                            .filter(|value| {
                                !self.would_be_itself(table, column, value, own_key.as_ref())
                            });
                        pick(*merge, texts)
                    }
                };
                if new != own {
                    set.insert(column.clone(), new);
                }
            }
            all.insert(*first, set);
        }
        Ok(all)
    }

    fn merged_array(
        &self,
        table: usize,
        column: &str,
        merge: Merge,
        group: &Group,
        arrays: &HashMap<(&str, Tid), Vec<Option<String>>>,
    ) -> Option<String> {
        let mapping = self
            .active(table)
            .into_iter()
            .find(|reference| reference.column == column && reference.kind == ReferenceKind::Array)
            .and_then(|reference| self.mapping(reference));
        let mut elements: Vec<Option<String>> = Vec::new();
        let mut any = false;
        for tid in &group.rows {
            let Some(array) = arrays.get(&(column, *tid)) else { continue };
            any = true;
            for element in array {
                let mapped = element.as_ref().and_then(|old| mapping?.entries.get(old));
                let new = match mapped {
                    Some(Mapped { new: None, .. }) => continue,
                    Some(Mapped { new, .. }) => new.clone(),
                    None => element.clone(),
                };
                if !elements.contains(&new) {
                    elements.push(new);
                }
            }
        }
        if merge == Merge::Union {
            sort_values(&mut elements);
        }
        // As the server would write it, so that an array that stays as it is does not change.
        any.then(|| server_literal(&elements))
    }

    fn as_it_will_be(&self, table: usize, column: &str, value: Option<String>) -> Option<String> {
        let old = value?;
        for reference in self.active(table) {
            if reference.column == column
                && reference.kind == ReferenceKind::Key
                && reference.type_.is_none()
                && let Some(mapped) =
                    self.mapping(reference).and_then(|mapping| mapping.entries.get(&old))
            {
                return mapped.new.clone();
            }
        }
        Some(old)
    }

    /// Whether a row would refer to itself by that value.
    fn would_be_itself(
        &self,
        table: usize,
        column: &str,
        value: &Option<String>,
        own: Option<&String>,
    ) -> bool {
        value.is_some()
            && value.as_ref() == own
            && self.tables.of(table).any(|r| r.is_to_itself() && r.column == column)
    }

    async fn write_removed(
        &mut self,
        emit: &mut Emit<'_>,
        table: usize,
        groups: usize,
        roles: &mut HashMap<Tid, (u32, Role)>,
    ) -> Result<(), Error> {
        let removed: Vec<(Tid, &str)> =
            self.states[table].removed.iter().map(|(tid, why)| (*tid, *why)).collect();
        let last = self.is_referred_to(table);
        for (chunk_at, chunk) in removed.chunks(ROWS_AT_ONCE).enumerate() {
            let tids: Vec<Tid> = chunk.iter().map(|(tid, _)| *tid).collect();
            let rows = self.rows(table, &tids).await?;
            for (at, (tid, why)) in chunk.iter().enumerate() {
                let number = emit.number(table, groups + chunk_at * ROWS_AT_ONCE + at);
                let Some(row) = row_line(*tid, &rows) else { continue };
                let (then, role) = if last {
                    (Then::DeleteLast, Role::GoesLast)
                } else {
                    (Then::Delete, Role::GoesFirst)
                };
                roles.insert(*tid, (number, role));
                emit.counts.groups += 1;
                emit.counts.collisions += 1;
                emit.counts.deleted += 1;
                emit.writer.line(&Line::Group(GroupLine {
                    group: number,
                    table: self.tables.list[table].name.to_string(),
                    by: vec![(*why).to_owned()],
                    keep: None,
                    others: vec![OtherLine { row, then, set: Values::new() }],
                }))?;
            }
        }
        Ok(())
    }

    async fn write_clears(
        &mut self,
        emit: &mut Emit<'_>,
        table: usize,
        roles: &mut HashMap<Tid, (u32, Role)>,
    ) -> Result<(), Error> {
        let clears = std::mem::take(&mut self.states[table].clears);
        let tables = self.tables;
        let facts = &tables.list[table];
        for (place, groups) in clears {
            let unique = &facts.uniques[place];
            for rows in groups {
                // Who is merged into another gives the key to nobody.
                let rows: Vec<Tid> = rows
                    .into_iter()
                    .filter(|tid| {
                        roles.get(tid).is_none_or(|(_, role)| {
                            !matches!(role, Role::GoesFirst | Role::GoesLast)
                        })
                    })
                    .collect();
                if rows.len() < 2 {
                    continue;
                }
                let (ordered, because) = self.ordered(table, &rows, facts.keep_for(unique)).await?;
                let known = self.rows(table, &ordered).await?;
                let by = vec![unique.name.name.as_str().to_owned()];
                let Some(column) = cleared_column(facts, unique) else {
                    emit.questions.push(QuestionLine {
                        question: format!("{}-{}", unique.name.name, ordered[0]),
                        table: facts.name.to_string(),
                        by,
                        because: "the key cannot be NULL".to_owned(),
                        rows: ordered.iter().filter_map(|tid| row_line(*tid, &known)).collect(),
                    });
                    continue;
                };
                let number = emit.next;
                emit.next += 1;
                let Some((first, others)) = ordered.split_first() else { continue };
                for tid in &ordered {
                    if let Some((other, _)) = roles.get(tid) {
                        emit.links.link(&[number, *other]);
                    }
                    roles.entry(*tid).or_insert((number, Role::Changes));
                }
                let Some(row) = row_line(*first, &known) else { continue };
                let set = Values::from([(column, None)]);
                emit.counts.groups += 1;
                emit.counts.changed += others.len() as u64;
                emit.writer.line(&Line::Group(GroupLine {
                    group: number,
                    table: facts.name.to_string(),
                    by,
                    keep: Some(KeptLine { row, because, set: Values::new() }),
                    others: others
                        .iter()
                        .filter_map(|tid| row_line(*tid, &known))
                        .map(|row| OtherLine { row, then: Then::Change, set: set.clone() })
                        .collect(),
                }))?;
            }
        }
        Ok(())
    }

    async fn write_changes(
        &self,
        emit: &mut Emit<'_>,
        table: usize,
        touched: &[Tid],
        roles: &HashMap<Tid, (u32, Role)>,
    ) -> Result<(), Error> {
        let facts = &self.tables.list[table];
        let active = self.active(table);
        let mut columns: Vec<&str> = Vec::new();
        for reference in active.iter().filter(|r| r.kind == ReferenceKind::Key) {
            columns.push(&reference.column);
            columns.extend(reference.type_.as_ref().map(|type_| type_.column.as_str()));
        }
        let key = self.single_key(table);
        columns.extend(key.as_deref());
        columns.sort_unstable();
        columns.dedup();
        let arrays = self.overrides(table, Touched::Losers, |_| true).await?;
        for chunk in touched.chunks(ROWS_AT_ONCE) {
            let values: BTreeMap<Tid, Vec<Option<String>>> = if columns.is_empty() {
                chunk.iter().map(|tid| (*tid, Vec::new())).collect()
            } else {
                self.values(table, chunk, &columns).await?.into_iter().collect()
            };
            let digests =
                self.digests.read(self.session, &facts.name, chunk.iter().copied()).await?;
            for (tid, row) in &values {
                let (mut set, mut groups) = self.new_values(table, &columns, row, &emit.numbers);
                for (column, changes) in &arrays {
                    if let Some(ArrayChange { new, groups: by }) = changes.get(&tid.to_string()) {
                        set.insert(column.clone(), new.clone());
                        groups.extend(by.iter().filter_map(|group| emit.numbers.get(group)));
                    }
                }
                let first = groups.iter().any(|group| emit.first.contains(group));
                let role = roles.get(tid).copied();
                groups.extend(role.map(|(number, _)| number));
                groups.sort_unstable();
                groups.dedup();
                emit.links.link(&groups);
                match role {
                    Some((_, Role::GoesFirst)) => continue,
                    Some((_, Role::GoesLast)) => set.retain(|column, _| {
                        let in_key = |unique: &crate::duplicates::tables::Unique| {
                            !unique.by_rule && unique.reads.contains(column)
                        };
                        !facts.uniques.iter().any(in_key)
                    }),
                    // What it takes in from the others says it already.
                    Some((_, Role::Stays)) => {
                        set.retain(|column, _| !facts.rule.merge.contains_key(column));
                    }
                    _ => {}
                }
                let (Some(digest), false) = (digests.get(tid), set.is_empty()) else { continue };
                let own = key
                    .as_ref()
                    .and_then(|key| row[columns.iter().position(|column| column == key)?].clone());
                emit.counts.changed += 1;
                emit.writer.line(&Line::Change(ChangeLine {
                    change: facts.name.to_string(),
                    row: RowLine { ctid: tid.to_string(), digest: digest.to_string(), key: own },
                    set,
                    groups,
                    first,
                }))?;
            }
        }
        Ok(())
    }

    /// New values of the columns of one row that refer to others, and for which groups.
    fn new_values(
        &self,
        table: usize,
        columns: &[&str],
        row: &[Option<String>],
        numbers: &HashMap<(usize, usize), u32>,
    ) -> (Values, Vec<u32>) {
        let value = |column: &str| {
            columns.iter().position(|other| *other == column).and_then(|at| row[at].as_ref())
        };
        let (mut set, mut groups) = (Values::new(), Vec::new());
        for reference in self.active(table) {
            if reference.kind == ReferenceKind::Array {
                continue;
            }
            if let Some(type_) = &reference.type_
                && value(&type_.column) != Some(&type_.value)
            {
                continue;
            }
            let mapped =
                value(&reference.column).and_then(|old| self.mapping(reference)?.entries.get(old));
            let Some(mapped) = mapped else { continue };
            let own = self.single_key(table);
            let is_itself = reference.is_to_itself()
                && reference.removed == Removed::Clear
                && own.as_deref().and_then(value) == mapped.new.as_ref();
            let new = if is_itself { None } else { mapped.new.clone() };
            set.insert(reference.column.clone(), new);
            groups.extend(numbers.get(&(reference.parent, mapped.group)));
        }
        (set, groups)
    }
}

impl Emit<'_> {
    fn number(&mut self, table: usize, place: usize) -> u32 {
        let number = self.next;
        self.next += 1;
        self.numbers.insert((table, place), number);
        number
    }
}

fn row_line(tid: Tid, rows: &Rows) -> Option<RowLine> {
    let (digest, key) = rows.get(&tid)?;
    Some(RowLine { ctid: tid.to_string(), digest: digest.to_string(), key: key.clone() })
}

/// One value of many; NULL and empty ones count for nothing.
fn pick(merge: Merge, values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let values: Vec<Option<String>> = values.collect();
    let present = |value: &&Option<String>| {
        value.as_deref().is_some_and(|text| !text.is_empty() && text != "{}")
    };
    let order =
        |a: &&Option<String>, b: &&Option<String>| compare_values(a.as_deref(), b.as_deref());
    let chosen = match merge {
        Merge::Highest => values.iter().filter(present).max_by(order),
        Merge::Lowest => values.iter().filter(present).min_by(order),
        _ => values.iter().find(present),
    };
    chosen.or(values.first()).cloned().flatten()
}

/// An array as the server writes it: quotes only where they are needed.
fn server_literal(elements: &[Option<String>]) -> String {
    let plain = |text: &String| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    if elements.iter().all(|element| element.as_ref().is_some_and(plain)) {
        let texts: Vec<&str> = elements.iter().flatten().map(String::as_str).collect();
        return format!("{{{}}}", texts.join(","));
    }
    array_literal(elements)
}

/// Groups that are done together or not at all.
#[derive(Debug, Default)]
struct Links {
    above: HashMap<u32, u32>,
}

impl Links {
    fn top(&self, mut number: u32) -> u32 {
        while let Some(above) = self.above.get(&number).filter(|above| **above != number) {
            number = *above;
        }
        number
    }

    fn link(&mut self, numbers: &[u32]) {
        let [first, others @ ..] = numbers else { return };
        for other in others {
            let (a, b) = (self.top(*first), self.top(*other));
            if a != b {
                self.above.insert(a.max(b), a.min(b));
            }
        }
    }

    fn groups(&self) -> Vec<Vec<u32>> {
        let mut by_top: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for number in self.above.keys() {
            let top = self.top(*number);
            by_top.entry(top).or_default().extend([top, *number]);
        }
        by_top.into_values().map(|linked| linked.into_iter().collect()).collect()
    }
}
