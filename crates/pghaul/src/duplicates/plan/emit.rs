//! Writes the plan: groups by tables, parents first; then the rows that refer to them.
//!
//! Invariant: everything is in the order of tables and ctids.

mod changes;
mod groups;
mod links;
mod merged;
mod recounts;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::StreamExt;
use pghaul_rows::{RowDigest, Tid};

use self::links::Links;
use super::file::{
    Counts, FORMAT, Header, Line, LinkedLine, PlanWriter, QuestionLine, ReferenceLine, RowLine,
    TableLine,
};
use super::left_alone;
use super::mapped::{Overrides, Touched, key_in};
use super::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::rules::ReferenceKind;
use crate::error::{Error, ErrorKind};
use crate::finding::Finding;
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

/// A group's rows as they were.
type Rows = BTreeMap<Tid, Known>;

/// A row as it was.
struct Known {
    digest: RowDigest,
    /// The primary key, if it is one column.
    key: Option<String>,
    /// What it is by each of the columns by which rows are named.
    names: Vec<Option<String>>,
}

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
        let mut recounts: Vec<(usize, Vec<Tid>)> = Vec::new();
        for table in &order {
            let rows = self.touched(*table).await?;
            let counted = self.counted_anew(*table).await?;
            let state = &self.states[*table];
            if !rows.is_empty()
                || !counted.is_empty()
                || !state.groups.is_empty()
                || !state.removed.is_empty()
                || !state.clears.is_empty()
            {
                writer.line(&Line::Table(self.table_line(*table)))?;
                touched.push((*table, rows));
            }
            if !counted.is_empty() {
                recounts.push((*table, counted));
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
        for (table, rows) in &recounts {
            self.write_recounts(&mut emit, *table, rows).await?;
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
            .flat_map(|reference| reference.parent_columns.iter().map(String::as_str))
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
                .filter_map(|r| {
                    let child = &self.tables.list[r.child].name;
                    // Keys over several columns are the server's, built or not.
                    let ([column], [to]) = (r.columns.as_slice(), r.parent_columns.as_slice())
                    else {
                        return None;
                    };
                    Some(ReferenceLine {
                        schema: child.schema.as_str().to_owned(),
                        table: child.name.as_str().to_owned(),
                        column: column.clone(),
                        to: to.clone(),
                        only: r.type_.clone().map(|type_| (type_.column, type_.value)),
                    })
                })
                .collect(),
            counts: self.counts(table),
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

    async fn rows(&self, table: usize, tids: &[Tid]) -> Result<Rows, Error> {
        let facts = &self.tables.list[table];
        let mut rows = Rows::new();
        let key: Vec<String> = self.single_key(table).into_iter().collect();
        let names = self.names_of_rows(table);
        let columns: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
        for chunk in tids.chunks(ROWS_AT_ONCE) {
            let digests =
                self.digests.read(self.session, &facts.name, chunk.iter().copied()).await?;
            let mut values: HashMap<Tid, Vec<Option<String>>> = HashMap::new();
            if !columns.is_empty() {
                values.extend(self.values(table, chunk, &columns).await?);
            }
            for (tid, digest) in digests {
                let name = |wanted: &[String]| {
                    let row = values.get(&tid)?;
                    let value = |name: &str| {
                        row[columns.iter().position(|column| *column == name)?].as_deref()
                    };
                    key_in(wanted, value)
                };
                let key = if key.is_empty() { None } else { name(&key) };
                let names = names.iter().map(|columns| name(columns)).collect();
                rows.insert(tid, Known { digest, key, names });
            }
        }
        Ok(rows)
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
    let known = rows.get(&tid)?;
    Some(RowLine {
        ctid: tid.to_string(),
        digest: known.digest.to_string(),
        key: known.key.clone(),
    })
}
