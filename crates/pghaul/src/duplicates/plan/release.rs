//! What rows have, in place of the keys that they share, until they are deleted.
//!
//! Invariant: a value that nobody else has: NULL where it keeps a row out of the index, a text or
//! UUID made of the group's number, a whole number below all others; of a column that is a key itself,
//! or of which the server said that such a text makes another key.

use pghaul_rows::Tid;

use super::file::Values;
use super::sets::Components;
use super::work::Work;
use crate::duplicates::tables::{Column, ColumnKind, Table, Unique};
use crate::error::Error;
use crate::name::Ident;

/// What becomes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Released {
    Null,
    Text,
    Number,
    Uuid,
}

/// Characters that a placeholder can need.
const TEXT_LENGTH: u32 = 32;

impl Work<'_> {
    /// Columns that rows give up, for the indexes that found them; `twins`: for the key too by
    /// which others refer to them. None if there is a key that they cannot give up.
    pub(super) fn release(
        &self,
        table: usize,
        found_by: u64,
        twins: bool,
    ) -> Option<Vec<(String, Released)>> {
        let facts = &self.tables.list[table];
        let mut released: Vec<(String, Released)> = Vec::new();
        for (place, unique) in facts.uniques.iter().enumerate() {
            let found = found_by & (1 << place.min(63)) != 0;
            if !found || unique.by_rule {
                continue;
            }
            let shared = self.is_shared_key(table, unique);
            if shared && !twins {
                continue;
            }
            if released.iter().any(|(column, _)| unique.reads.contains(column)) {
                continue;
            }
            let named = self.names_of_rows(table);
            let telling = self.states[table].telling.get(&place);
            let tells = |column: &Column| {
                is_plain(unique, column)
                    || telling.is_some_and(|telling| telling.contains(&column.name))
            };
            let choices = unique.reads.iter().filter_map(|name| {
                let column = facts.column(name).filter(|column| tells(column))?;
                // Others refer by it, or rows are known by it: it is kept as long as it can be.
                if !shared && named.iter().flatten().any(|other| other == name) {
                    return None;
                }
                Some((name.clone(), self.choice(table, unique, column, shared)?))
            });
            // NULL is nothing that anybody could take for a value.
            released.push(choices.min_by_key(|(_, how)| *how != Released::Null)?);
        }
        Some(released)
    }

    /// Whether others refer by its key, or it is the one column by which rows are known.
    pub(super) fn is_shared_key(&self, table: usize, unique: &Unique) -> bool {
        let same = |columns: &[String]| {
            columns.len() == unique.reads.len()
                && columns.iter().all(|column| unique.reads.contains(column))
        };
        self.names_of_rows(table).iter().any(|columns| same(columns))
    }

    fn choice(
        &self,
        table: usize,
        unique: &Unique,
        column: &Column,
        shared: bool,
    ) -> Option<Released> {
        let bounds = &self.tables.list[table].bounds;
        if column.generated || column.always || bounds.contains(&column.name) {
            return None;
        }
        if !shared && !column.not_null && !unique.nulls_equal && is_plain(unique, column) {
            return Some(Released::Null);
        }
        let refers =
            self.tables.of(table).any(|r| r.is_from(&column.name) && r.foreign_key.is_some());
        match column.kind {
            _ if refers => None,
            ColumnKind::Text(length) if length.is_none_or(|n| n >= TEXT_LENGTH) => {
                Some(Released::Text)
            }
            ColumnKind::Integer => Some(Released::Number),
            ColumnKind::Uuid => Some(Released::Uuid),
            _ => None,
        }
    }

    /// Columns of which an index has not the value but what an expression makes of it, and where a
    /// text of its own makes a key of its own: of `lower(c)`, but not of `left(c, 3)`, nor where the
    /// column is in the condition only. The server is asked, for one of the rows that were found.
    pub(super) async fn find_telling(
        &mut self,
        table: usize,
        components: &Components,
    ) -> Result<(), Error> {
        let tables = self.tables;
        let facts = &tables.list[table];
        for (place, unique) in facts.uniques.iter().enumerate() {
            if unique.by_rule || self.states[table].telling.contains_key(&place) {
                continue;
            }
            let found = (0..components.len())
                .map(|at| components.get(at))
                .find(|(_, found_by)| found_by & (1 << place.min(63)) != 0);
            let Some((&[tid, ..], _)) = found else { continue };
            let mut telling = Vec::new();
            for column in unique.reads.iter().filter_map(|name| facts.column(name)) {
                if matches!(column.kind, ColumnKind::Text(_))
                    && !is_plain(unique, column)
                    && self.tells(table, unique, column, tid).await?
                {
                    telling.push(column.name.clone());
                }
            }
            self.states[table].telling.insert(place, telling);
        }
        Ok(())
    }

    async fn tells(
        &self,
        table: usize,
        unique: &Unique,
        column: &Column,
        tid: Tid,
    ) -> Result<bool, Error> {
        let facts = &self.tables.list[table];
        let fields: Vec<String> = facts
            .columns
            .iter()
            .map(|other| {
                let name = Ident::new(&other.name).quoted();
                if other.name == column.name {
                    format!("p.value::{} as {name}", column.type_name)
                } else {
                    format!("t.{name}")
                }
            })
            .collect();
        let keys: Vec<String> = unique.keys.iter().map(|key| format!("({key})::text")).collect();
        let sql = format!(
            "select pg_catalog.count(distinct array[{}]::text[]) = pg_catalog.cardinality($1::text[]) \
               from (select {} from only {} as t cross join pg_catalog.unnest($1::text[]) as p (value) \
                      where t.ctid = $2::text::pg_catalog.tid) as x",
            keys.join(", "),
            fields.join(", "),
            facts.name.quoted()
        );
        let texts = [(u32::MAX - 1, 1), (u32::MAX - 1, 2), (u32::MAX, 1)]
            .map(|(group, number)| placeholder(group, number));
        let doing = format!("see what tells rows of `{}` apart", facts.name);
        self.session.batch(&doing, "savepoint pghaul_tells").await?;
        match self.session.query_one(&doing, &sql, &[&texts.as_slice(), &tid.to_string()]).await {
            Ok(row) => Ok(row.get(0)),
            Err(error) if self.session.is_closed() => Err(error),
            // The expression cannot be made of such a text.
            Err(_) => self
                .session
                .batch(&doing, "rollback to savepoint pghaul_tells")
                .await
                .map(|()| false),
        }
    }

    /// The lowest value of the columns that need numbers which nobody has.
    pub(super) async fn find_lowest(&mut self, table: usize) -> Result<(), Error> {
        let facts = &self.tables.list[table];
        let mut columns: Vec<&Column> = Vec::new();
        for unique in facts.uniques.iter().filter(|unique| !unique.by_rule) {
            let numbers = unique.reads.iter().filter_map(|name| facts.column(name));
            columns.extend(numbers.filter(|column| column.kind == ColumnKind::Integer));
        }
        for column in columns {
            if self.states[table].lowest.contains_key(&column.name) {
                continue;
            }
            let sql = format!(
                "select coalesce(pg_catalog.min(t.{}), 0)::text from only {} as t",
                Ident::new(&column.name).quoted(),
                facts.name.quoted()
            );
            let doing = format!("find the lowest key of `{}`", facts.name);
            let row = self.session.query_one(&doing, &sql, &[]).await?;
            let lowest: i128 = row.get::<_, &str>(0).parse().unwrap_or(0);
            self.states[table].lowest.insert(column.name.clone(), lowest.min(0));
        }
        Ok(())
    }

    /// The values of one row.
    pub(super) fn released(
        &mut self,
        table: usize,
        columns: &[(String, Released)],
        (group, number): (u32, usize),
    ) -> Values {
        let mut values = Values::new();
        for (column, how) in columns {
            let value = match how {
                Released::Null => None,
                Released::Text => Some(placeholder(group, number)),
                Released::Uuid => Some(format!(
                    "00000000-0000-4000-{:04x}-{group:012x}",
                    0x8000 + (number & 0xfff)
                )),
                Released::Number => {
                    let lowest = self.states[table].lowest.entry(column.clone()).or_insert(0);
                    *lowest -= 1;
                    Some(lowest.to_string())
                }
            };
            values.insert(column.clone(), value);
        }
        values
    }
}

fn placeholder(group: u32, number: usize) -> String {
    format!("pghaul {group} {number}")
}

/// Whether the column itself is a key, and not something made of it.
fn is_plain(unique: &Unique, column: &Column) -> bool {
    unique.keys.iter().any(|key| *key == column.name || *key == Ident::new(&column.name).quoted())
}

/// The column that is set to NULL so that a row is in an index no more.
pub(super) fn cleared_column(table: &Table, unique: &Unique) -> Option<String> {
    unique
        .reads
        .iter()
        .filter_map(|name| table.column(name))
        .find(|column| {
            !column.not_null && !column.generated && !unique.nulls_equal && is_plain(unique, column)
        })
        .map(|column| column.name.clone())
}
