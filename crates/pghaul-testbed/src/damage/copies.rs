//! Copies of rows that satisfy every unique index but one.
//!
//! Invariant: the plan is made before anything is changed; what cannot work fails there.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use super::catalog::{Column, UniqueIndex};
use super::{Copied, from_heap};
use crate::error::{Error, Result};
use crate::servers::quote_literal;

/// What is wanted of copies.
pub(super) struct Wish<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'a [Column],
    /// Columns that must not change.
    pub(super) keep: &'a [String],
    /// Columns that change to what the caller says.
    pub(super) set: &'a [(String, String)],
    /// The column that is set to the new parent, with whom a combination is new.
    pub(super) fresh: Option<&'a str>,
    /// Unique indexes that must hold.
    pub(super) uniques: &'a [UniqueIndex],
    /// Makes suffixes differ from those of other damage.
    pub(super) mark: String,
    /// The most copies there will be.
    pub(super) count: usize,
    /// Leave out copies that a unique index refuses.
    pub(super) skip_refused: bool,
    /// What an INSERT gives back of each copy besides its place.
    pub(super) returning: &'a str,
}

/// A row to be copied.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) tid: String,
    /// The new parent, if the row is somebody's child.
    pub(super) parent: Option<String>,
    /// The copy's number in its group, from 1.
    pub(super) copy: i32,
    /// The copy's number over all, from 1 to [`Wish::count`].
    pub(super) number: i64,
}

/// How a table's rows are copied.
#[derive(Debug)]
pub(super) struct Copies {
    insert: String,
}

impl Copies {
    pub(super) async fn plan(client: &Client, wish: &Wish<'_>) -> Result<Self> {
        let mut changes: BTreeMap<&str, String> =
            wish.set.iter().map(|(column, value)| (column.as_str(), value.clone())).collect();
        let mut nulled = BTreeSet::new();
        let mut fresh: BTreeSet<&str> = wish.fresh.into_iter().collect();
        for unique in wish.uniques {
            let holds = unique.reads.iter().any(|column| fresh.contains(column.as_str()))
                || !unique.nulls_equal
                    && unique.columns.iter().any(|column| nulled.contains(column.as_str()));
            if holds {
                continue;
            }
            let change = Change::for_index(unique, wish, &changes).ok_or_else(|| {
                Error::new(format!(
                    "cannot copy rows of {}: no column can be changed so that {} holds",
                    wish.table, unique.name
                ))
            })?;
            let (column, value) = change.value(client, wish).await?;
            match change {
                Change::Null(_) => nulled.insert(column),
                _ => fresh.insert(column),
            };
            changes.insert(column, value);
        }
        Ok(Self { insert: insert(wish, &changes) })
    }

    /// Inserts copies and gives them back, in the order given.
    pub(super) async fn insert(
        &self,
        client: &Client,
        sources: &[Source],
    ) -> std::result::Result<Vec<Copied>, tokio_postgres::Error> {
        let tids: Vec<_> = sources.iter().map(|source| source.tid.as_str()).collect();
        let parents: Vec<_> = sources.iter().map(|source| source.parent.as_deref()).collect();
        let copies: Vec<_> = sources.iter().map(|source| source.copy).collect();
        let numbers: Vec<_> = sources.iter().map(|source| source.number).collect();
        let rows = client.query(&self.insert, &[&tids, &parents, &copies, &numbers]).await?;
        Ok(rows.iter().map(|row| Copied { tid: row.get(0), key: row.get(1) }).collect())
    }

    /// The failure of [`Copies::insert`] as the testbed's.
    pub(super) fn failed(&self, cause: &tokio_postgres::Error) -> Error {
        Error::server(format!("`{}`", self.insert), cause)
    }
}

/// How a column gets a value that no other row has.
enum Change<'a> {
    Null(&'a Column),
    Next(&'a Column, &'a str),
    Higher(&'a Column),
    Suffix(&'a Column),
    OtherParent(&'a Column, &'a str, &'a str),
}

impl<'a> Change<'a> {
    fn for_index(
        unique: &UniqueIndex,
        wish: &Wish<'a>,
        changes: &BTreeMap<&str, String>,
    ) -> Option<Self> {
        let free = |names: &[String]| -> Vec<&'a Column> {
            let may_change =
                |name: &&String| !wish.keep.contains(*name) && !changes.contains_key(name.as_str());
            let names: Vec<_> = names.iter().filter(may_change).collect();
            wish.columns.iter().filter(|column| names.contains(&&column.name)).collect()
        };
        let (plain, read) = (free(&unique.columns), free(&unique.reads));
        let null = plain.iter().find(|column| column.nullable && !unique.nulls_equal);
        let number = plain.iter().find(|column| column.is_integer && column.parent.is_none());
        let text = read.iter().find(|column| column.is_text && column.parent.is_none());
        let reference = plain.iter().find_map(|column| {
            column.parent.as_ref().map(|(parent, key)| Change::OtherParent(column, parent, key))
        });
        null.map(|column| Change::Null(column))
            .or_else(|| {
                number.map(|column| match &column.next {
                    Some(next) => Change::Next(column, next),
                    None => Change::Higher(column),
                })
            })
            .or_else(|| text.map(|column| Change::Suffix(column)))
            .or(reference)
    }

    async fn value(&self, client: &Client, wish: &Wish<'_>) -> Result<(&'a str, String)> {
        let (column, value) = match self {
            Self::Null(column) => (column, "null".to_owned()),
            Self::Next(column, next) => (column, (*next).to_owned()),
            Self::Higher(column) => {
                let sql = format!(
                    "select coalesce(max({}), 0)::text from only {}",
                    column.name, wish.table
                );
                let highest = first_column(&from_heap(client, &sql, &[]).await?).concat();
                (column, format!("{highest} + picked.n"))
            }
            Self::Suffix(column) => {
                let mark = quote_literal(&format!("~{}-", wish.mark));
                (
                    column,
                    format!("src.{} || '~' || substr(md5({mark}), 1, 8) || picked.n", column.name),
                )
            }
            Self::OtherParent(column, parent, key) => {
                let keys = unused_parents(client, wish, column, parent, key).await?;
                let keys = format!(
                    "array[{}]",
                    keys.iter().map(|k| quote_literal(k)).collect::<Vec<_>>().join(",")
                );
                (column, format!("({keys})[picked.n::integer]"))
            }
        };
        Ok((column.name.as_str(), format!("({value})::{}", column.type_name)))
    }
}

/// As many parents as there will be copies, none of whom has a child here yet.
async fn unused_parents(
    client: &Client,
    wish: &Wish<'_>,
    column: &Column,
    parent: &str,
    key: &str,
) -> Result<Vec<String>> {
    let sql = format!(
        "select parent.{key}::text from only {parent} as parent \
         where not exists (select from only {table} as child where child.{column} = parent.{key}) \
         order by md5({mark} || parent.{key}::text) limit {count}",
        table = wish.table,
        column = column.name,
        mark = quote_literal(&wish.mark),
        count = wish.count,
    );
    let keys = first_column(&from_heap(client, &sql, &[]).await?);
    if keys.len() < wish.count {
        return Err(Error::new(format!(
            "cannot make {} copies in {}: only {} rows of {parent} have none there yet",
            wish.count,
            wish.table,
            keys.len()
        )));
    }
    Ok(keys)
}

fn first_column(rows: &[tokio_postgres::Row]) -> Vec<String> {
    rows.iter().map(|row| row.get(0)).collect()
}

fn insert(wish: &Wish<'_>, changes: &BTreeMap<&str, String>) -> String {
    let names: Vec<_> = wish.columns.iter().map(|column| column.name.as_str()).collect();
    let values: Vec<_> = names
        .iter()
        .map(|name| changes.get(name).cloned().unwrap_or_else(|| format!("src.{name}")))
        .collect();
    let always = wish.columns.iter().any(|column| column.is_always);
    format!(
        "insert into {table} ({names}) {overriding} \
         select {values} \
         from unnest($1::text[]::tid[], $2::text[], $3::int4[], $4::int8[]) \
         as picked (tid, parent, copy, n) \
         join (select s.ctid as source_tid, s.* from only {table} as s \
         where s.ctid = any ($1::text[]::tid[])) as src on src.source_tid = picked.tid \
         order by picked.n {refused} \
         returning ctid::text, ({returning})::text",
        table = wish.table,
        names = names.join(", "),
        overriding = if always { "overriding system value" } else { "" },
        values = values.join(", "),
        refused = if wish.skip_refused { "on conflict do nothing" } else { "" },
        returning = wish.returning,
    )
}
