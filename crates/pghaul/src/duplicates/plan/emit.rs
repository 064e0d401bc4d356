//! Writes the plan: groups by tables, parents first; then the rows that refer to them.
//!
//! Invariant: everything is in the order of tables and ctids.

mod changes;
mod groups;
mod links;
mod merged;
mod names;
mod numbers;
mod recounts;
mod roles;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pghaul_rows::{RowDigest, Tid};

use self::links::Links;
use self::names::Given;
use self::numbers::Numbers;
use self::roles::Roles;
use super::file::{
    Counts, FORMAT, Header, Line, LinkedLine, PlanWriter, QuestionLine, ReferenceLine, RowLine,
    TableLine,
};
use super::left_alone;
use super::mapped::{Overrides, Touched, key_in};
use super::spool::Spool;
use super::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::rules::ReferenceKind;
use crate::error::Error;
use crate::finding::Finding;
use crate::state::DatabaseIdentity;

/// While the plan is written.
struct Emit<'w> {
    writer: &'w mut PlanWriter,
    counts: Counts,
    numbers: Numbers,
    /// Groups of rows that are deleted before the indexes are rebuilt.
    first: BTreeSet<u32>,
    links: Links,
    given: Given,
    questions: Spool<QuestionLine>,
    /// How many, by table.
    asked: BTreeMap<String, u64>,
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
                let all = touched.iter().map(|(_, rows)| rows);
                self.check_memory(
                    all.chain(recounts.iter().map(|(_, rows)| rows)).map(bytes).sum(),
                )?;
            }
            if !counted.is_empty() {
                recounts.push((*table, counted));
            }
        }
        let mut emit = Emit {
            writer,
            counts: Counts::default(),
            numbers: Numbers::default(),
            first: BTreeSet::new(),
            links: Links::default(),
            given: Given::new(),
            questions: Spool::new(&self.options.spill_dir),
            asked: BTreeMap::new(),
        };
        let mut roles: Vec<Roles> = Vec::new();
        for (table, _) in &touched {
            roles.push(self.write_groups(&mut emit, *table).await?);
        }
        for ((table, rows), roles) in touched.iter().zip(&roles) {
            self.write_changes(&mut emit, *table, rows, roles).await?;
        }
        for (table, rows) in &recounts {
            self.write_recounts(&mut emit, *table, rows).await?;
        }
        let links = std::mem::take(&mut emit.links).groups();
        for together in links.chunk_by(|left, right| left.0 == right.0) {
            let top = together.first().map(|(top, _)| *top);
            let linked = top.into_iter().chain(together.iter().map(|(_, number)| *number));
            emit.writer.line(&Line::Linked(LinkedLine { linked: linked.collect() }))?;
        }
        let questions = emit.questions.finish()?;
        for question in questions.read() {
            emit.writer.line(&Line::Question(question?))?;
        }
        for (table, _) in &touched {
            let name = &self.tables.list[*table].name;
            if let Some(groups) = emit.asked.get(&name.to_string()) {
                findings.push(left_alone(name, *groups));
            }
        }
        emit.counts.questions = questions.len() as u64;
        emit.writer.line(&Line::Counts(emit.counts.clone()))?;
        Ok(emit.counts)
    }

    fn table_line(&self, table: usize) -> TableLine {
        let facts = &self.tables.list[table];
        let found = self.states[table].groups.found_by
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
                .filter(|r| r.foreign_key.is_none())
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
                        array: r.kind == ReferenceKind::Array,
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
        let mut found: Vec<Tid> = Vec::new();
        let mapped = self.mapped_table(table, Touched::Losers, &Overrides::new());
        let sql = format!("select t.ctid::text from {} where {}", mapped.from, mapped.condition);
        let doing = format!("find the rows of `{}` that refer to duplicates", facts.name);
        self.ctids(&doing, &sql, &mapped, |tid| {
            found.push(tid);
            bytes(&found)
        })
        .await?;
        drop(mapped);
        for changes in self.overrides(table, Touched::Losers, |_| true).await?.values() {
            found.extend(changes.keys().filter_map(|ctid| Tid::from_text(ctid.as_bytes())));
        }
        found.sort_unstable();
        found.dedup();
        found.shrink_to_fit();
        Ok(found)
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
    /// Leaves a group alone until a question is answered.
    fn ask(&mut self, question: &QuestionLine) -> Result<(), Error> {
        *self.asked.entry(question.table.clone()).or_default() += 1;
        self.questions.push(question)
    }
}

/// The memory that a list of places needs.
fn bytes(tids: &Vec<Tid>) -> u64 {
    (tids.capacity() * size_of::<Tid>()) as u64
}

fn row_line(tid: Tid, rows: &Rows) -> Option<RowLine> {
    let known = rows.get(&tid)?;
    Some(RowLine {
        ctid: tid.to_string(),
        digest: known.digest.to_string(),
        key: known.key.clone(),
    })
}
