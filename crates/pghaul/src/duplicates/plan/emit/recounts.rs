//! Rows whose numbers a repair makes wrong: which these are. They are counted when it is done.
//!
//! Invariant: a number is only counted where rows that it counts are merged, removed or come to
//! refer to something else; all others stay as they are, right or not.

use pghaul_rows::Tid;

use super::{Emit, row_line};
use crate::duplicates::counts::{CountLine, is_in};
use crate::duplicates::plan::file::{Line, RecountLine};
use crate::duplicates::plan::groups::Fate;
use crate::duplicates::plan::mapped::key_of;
use crate::duplicates::plan::mapping::Keys;
use crate::duplicates::plan::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::references::Reference;
use crate::duplicates::rules::{CountRule, Only, ReferenceKind, State, column_name};
use crate::error::Error;
use crate::name::Ident;

impl Work<'_> {
    /// The references by which rows are counted, of all tables that hold such rows.
    fn counted_by(&self, table: usize, rule: &CountRule) -> Vec<&Reference> {
        let Some((child, column)) = column_name(&rule.rows) else { return Vec::new() };
        let Some(child) = self.tables.place(&child) else { return Vec::new() };
        let same = |reference: &Reference, other: &Reference| {
            reference.parent == other.parent && reference.parent_columns == other.parent_columns
        };
        self.tables
            .leaves(child)
            .into_iter()
            .flat_map(|child| self.tables.of(child))
            .filter(|reference| reference.columns == [column.as_str()])
            .filter(|reference| reference.kind == ReferenceKind::Key && reference.type_.is_none())
            .filter(|reference| {
                let is_own =
                    reference.parent == table && reference.parent_columns == [rule.by.as_str()];
                let by = |own: &&Reference| own.columns == [rule.by.as_str()];
                is_own || self.tables.of(table).filter(by).any(|own| same(own, reference))
            })
            .filter(|reference| {
                let child = &self.tables.list[reference.child];
                rule.only.iter().all(|only| {
                    child.has(only.column())
                        // A state that nobody can be in who lacks the column.
                        || matches!(only, Only::Is { is: State::Null, .. })
                })
            })
            .collect()
    }

    /// What a repair counts in the rows of a table.
    pub(super) fn counts(&self, table: usize) -> Vec<CountLine> {
        let mut lines: Vec<CountLine> = Vec::new();
        for rule in &self.tables.list[table].rule.counts {
            for reference in self.counted_by(table, rule) {
                let child = &self.tables.list[reference.child];
                let line = CountLine {
                    column: rule.column.clone(),
                    by: rule.by.clone(),
                    schema: child.name.schema.as_str().to_owned(),
                    table: child.name.name.as_str().to_owned(),
                    of: reference.columns.join(", "),
                    only: rule
                        .only
                        .iter()
                        .filter(|only| child.has(only.column()))
                        .cloned()
                        .collect(),
                };
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        lines
    }

    /// The rows of a table that are counted anew.
    pub(super) async fn counted_anew(&self, table: usize) -> Result<Vec<Tid>, Error> {
        let facts = &self.tables.list[table];
        let mut found: Vec<Tid> = Vec::new();
        for rule in &facts.rule.counts {
            for reference in self.counted_by(table, rule) {
                let about = self.recounted_keys(reference).await?;
                if !about.is_empty() {
                    found.extend(self.rows_about(table, rule, reference, about).await?);
                }
            }
            found.sort_unstable();
            found.dedup();
        }
        if !found.is_empty() {
            let mut going = self.going(table)?;
            going.sort_unstable();
            found.retain(|tid| going.binary_search(tid).is_err());
            found.shrink_to_fit();
        }
        Ok(found)
    }

    /// What is referred to by more or fewer rows after the repair.
    async fn recounted_keys(&self, reference: &Reference) -> Result<Keys, Error> {
        let mut keys = Keys::default();
        if let Some(mapping) = self.mapping(reference) {
            mapping.add_to(&mut keys);
        }
        let columns: Vec<&str> = reference.columns.iter().map(String::as_str).collect();
        for chunk in self.going(reference.child)?.chunks(ROWS_AT_ONCE) {
            for (_, values) in self.values(reference.child, chunk, &columns).await? {
                let values: Option<Vec<&str>> = values.iter().map(Option::as_deref).collect();
                if let Some(values) = values {
                    keys.insert(&key_of(&values));
                }
            }
        }
        keys.settle();
        Ok(keys)
    }

    /// The rows of a table that hold numbers about some keys.
    async fn rows_about(
        &self,
        table: usize,
        rule: &CountRule,
        reference: &Reference,
        about: Keys,
    ) -> Result<Vec<Tid>, Error> {
        let facts = &self.tables.list[table];
        let parent = &self.tables.list[reference.parent];
        let by = format!("t.{}", Ident::new(&rule.by).quoted());
        let type_name = facts.column(&rule.by).map_or("text", |column| &column.type_name);
        let list = about.into_list();
        let mut sql = format!(
            "select t.ctid::text from only {} as t \
               join pg_catalog.unnest($1::{}) as k (key) on k.key::{type_name} = {by}",
            facts.name.quoted(),
            list.type_name()
        );
        if let Some(when) = rule.when.as_ref().filter(|when| parent.has(&when.column)) {
            let key: Vec<String> =
                reference.parent_columns.iter().map(|c| Ident::new(c).quoted()).collect();
            sql.push_str(&format!(
                " join only {} as p on p.{} = {by} where {}",
                parent.name.quoted(),
                key.join(", "),
                is_in(&format!("p.{}", Ident::new(&when.column).quoted()), when.is)
            ));
        }
        let doing = format!("find the numbers in `{}` that are counted anew", facts.name);
        let mut found: Vec<Tid> = Vec::new();
        self.session
            .each_row(&doing, &sql, &[&list], |row| {
                found.extend(Tid::from_text(row.get::<_, &str>(0).as_bytes()));
            })
            .await?;
        Ok(found)
    }

    /// The rows of a table that are deleted.
    fn going(&self, table: usize) -> Result<Vec<Tid>, Error> {
        let state = &self.states[table];
        let mut going: Vec<Tid> = Vec::new();
        for group in state.groups.read() {
            let group = group?;
            if group.fate == Fate::Merge {
                going.extend(group.rows.iter().skip(1));
            }
        }
        going.extend(state.removed.keys());
        Ok(going)
    }

    pub(super) async fn write_recounts(
        &self,
        emit: &mut Emit<'_>,
        table: usize,
        rows: &[Tid],
    ) -> Result<(), Error> {
        let name = self.tables.list[table].name.to_string();
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            let known = self.rows(table, chunk).await?;
            for tid in chunk {
                let Some(row) = row_line(*tid, &known) else { continue };
                emit.counts.recounted += 1;
                emit.writer.line(&Line::Recount(RecountLine { recount: name.clone(), row }))?;
            }
        }
        Ok(())
    }
}
