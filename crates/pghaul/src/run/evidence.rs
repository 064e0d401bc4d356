//! Why the rows forbid a constraint: how many groups share a key, which rows refer to nothing.
//!
//! Invariants: reads the heap of the target, no index; names rows by ctid, and by key only where
//! the key is what people name rows by; never a value of another column; memory is bounded, however
//! many rows are in the way.

use crate::connect::{Endpoint, Session};
use crate::duplicates::{DuplicateRow, Found, Groups, IndexDefinition, Scan, ScanOptions};
use crate::error::Error;
use crate::event::Counters;
use crate::name::{Ident, RelationName};
use crate::reference::Reference;
use crate::schema::lookalike;

/// Groups of rows that share the key of a unique index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DuplicateGroups {
    table: RelationName,
    found: Found,
    /// The first groups, for people.
    first: Vec<String>,
}

impl std::fmt::Display for DuplicateGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "groups of rows in `{}` that share its key: {}; rows too many: {}: {}{}; all in pghaul.duplicate_row of the target",
            self.table,
            self.found.groups,
            self.found.extra_rows(),
            self.first.join("; "),
            if self.found.groups > self.first.len() as u64 { "; …" } else { "" },
        )
    }
}

/// Groups named in a finding, and rows named of each.
const GROUPS_NAMED: usize = 5;

/// Rows written to the state by one statement.
const ROWS_A_STATEMENT: usize = 1000;

/// Finds the groups that keep an index from being built on the target, and writes all of them to the
/// state, as those of `object`. None if it compares rows otherwise than by equality.
pub(super) async fn duplicate_groups(
    definition: IndexDefinition,
    (endpoint, target): (&Endpoint, &Session),
    object: &str,
) -> Result<Option<DuplicateGroups>, Error> {
    let table = definition.table.clone();
    let mut scan = Scan::of_definition(endpoint, definition, ScanOptions::default()).await?;
    if scan.indexes().is_empty() {
        return Ok(None);
    }
    let counters = Counters::default();
    let mut groups = scan.read(0, &counters).await?;
    target.batch("begin to note the duplicates", "begin").await?;
    let noted = note(target, &mut groups, object).await;
    let end = if noted.is_ok() { "commit" } else { "rollback" };
    target.batch("note the duplicates", end).await?;
    Ok(Some(DuplicateGroups { table, found: groups.found(), first: noted? }))
}

/// The name of an empty table that looks like another one, for as long as a transaction is open that
/// is never committed.
const LOOKALIKE: &str = "pghaul lookalike";

/// What the statement of a unique index means, where no server has such an index: it is made on an
/// empty table with the same columns, looked at, and taken back. None for what does not make one.
pub(super) async fn definition_by(
    statement: &str,
    table: &RelationName,
    primary_key: &[Ident],
    target: &Session,
) -> Result<Option<IndexDefinition>, Error> {
    let empty = RelationName::new(table.schema.as_str(), LOOKALIKE);
    let Some(statement) = lookalike(statement, &empty) else { return Ok(None) };
    let doing = format!("find out what the index on `{table}` compares");
    let make = format!("begin; create table {} (like {})", empty.quoted(), table.quoted());
    let found = async {
        target.batch(&doing, &make).await?;
        target.batch(&doing, &statement).await?;
        let made = "select indexrelid from pg_catalog.pg_index \
                     where indrelid = $1::pg_catalog.text::pg_catalog.regclass";
        let row = target.query_one(&doing, made, &[&empty.quoted()]).await?;
        IndexDefinition::of(target, row.get(0)).await
    };
    let found = found.await;
    if !target.is_closed() {
        target.batch(&doing, "rollback").await?;
    }
    Ok(found?.map(|mut definition| {
        definition.table = table.clone();
        definition.primary_key = primary_key.to_vec();
        definition
    }))
}

/// The OID of a foreign key of the target by its name; none if it is not there.
pub(super) async fn foreign_key_of(
    target: &Session,
    table: &RelationName,
    name: &str,
) -> Result<Option<u32>, Error> {
    let sql = "select oid from pg_catalog.pg_constraint where contype = 'f' and conname = $2 \
                and conrelid = pg_catalog.to_regclass($1)";
    let rows = target.query("look for the foreign key", sql, &[&table.quoted(), &name]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Gives the first groups.
async fn note(
    target: &Session,
    groups: &mut Groups<'_>,
    object: &str,
) -> Result<Vec<String>, Error> {
    let doing = "note the duplicates";
    let sql = "delete from pghaul.duplicate_row where object = $1";
    target.execute(doing, sql, &[&object]).await?;
    let columns: Vec<String> =
        groups.index().definition.primary_key.iter().map(Ident::to_string).collect();
    let mut first = Vec::new();
    let mut rows = Rows::default();
    let mut number = 0_i64;
    while let Some(mut group) = groups.next_group().await? {
        number += 1;
        let mut named = Vec::new();
        let mut members = 0;
        while let Some(row) = group.next_member().await? {
            members += 1;
            if first.len() < GROUPS_NAMED && members <= GROUPS_NAMED {
                named.push(place(&row, &columns));
            }
            rows.push(number, &row);
            if rows.numbers.len() >= ROWS_A_STATEMENT {
                rows.write(target, object).await?;
            }
        }
        if !named.is_empty() {
            let more = if members > named.len() { ", …" } else { "" };
            first.push(format!("{}{more}", named.join(", ")));
        }
    }
    rows.write(target, object).await?;
    Ok(first)
}

/// `ctid (0,1) id=7`.
fn place(row: &DuplicateRow, columns: &[String]) -> String {
    let mut text = format!("ctid {}", row.tid);
    for (column, value) in columns.iter().zip(&row.primary_key) {
        text.push_str(&format!(" {column}={}", value.as_deref().unwrap_or("null")));
    }
    text
}

/// Rows on their way to the state, by column.
#[derive(Default)]
struct Rows {
    numbers: Vec<i64>,
    schemas: Vec<String>,
    relations: Vec<String>,
    tids: Vec<String>,
    keys: Vec<String>,
}

impl Rows {
    fn push(&mut self, number: i64, row: &DuplicateRow) {
        self.numbers.push(number);
        self.schemas.push(row.relation.schema.as_str().to_owned());
        self.relations.push(row.relation.name.as_str().to_owned());
        self.tids.push(row.tid.to_string());
        self.keys.push(serde_json::json!(row.primary_key).to_string());
    }

    async fn write(&mut self, target: &Session, object: &str) -> Result<(), Error> {
        let Self { numbers, schemas, relations, tids, keys } = std::mem::take(self);
        target
            .execute(
                "note the duplicates",
                include_str!("evidence/note.sql"),
                &[&object, &numbers, &schemas, &relations, &tids, &keys],
            )
            .await?;
        Ok(())
    }
}

/// Rows whose foreign key refers to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphans {
    pub(super) table: RelationName,
    pub(super) columns: Vec<Ident>,
    /// How many there are.
    pub(super) rows: u64,
    /// ctid and key of the first of them.
    pub(super) first: Vec<(String, Vec<Option<String>>)>,
}

impl std::fmt::Display for Orphans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<&str> = self.columns.iter().map(Ident::as_str).collect();
        write!(
            f,
            "{} rows of `{}` refer by ({}) to rows that are not there:",
            self.rows,
            self.table,
            columns.join(", ")
        )?;
        for (at, (ctid, key)) in self.first.iter().enumerate() {
            let key: Vec<&str> = key.iter().map(|part| part.as_deref().unwrap_or("null")).collect();
            write!(f, "{} ctid {ctid} = ({})", if at > 0 { ";" } else { "" }, key.join(", "))?;
        }
        if self.rows > self.first.len() as u64 { write!(f, "; …") } else { Ok(()) }
    }
}

/// Orphans named in a finding.
const ORPHANS_NAMED: i64 = 20;

/// Finds the orphans of a foreign key on the target, by what the server that has it says of it.
pub(super) async fn orphans(
    source: &Session,
    target: &Session,
    foreign_key: u32,
) -> Result<Option<Orphans>, Error> {
    let rows = source
        .query(
            "read the columns of the foreign key",
            include_str!("evidence/foreign_key.sql"),
            &[&foreign_key],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let reference = Reference::from_row(row, 0);
    let texts: Vec<String> =
        reference.columns.iter().map(|column| format!("c.{}::text", column.quoted())).collect();
    let sql = format!(
        "select c.ctid::text, array[{}], pg_catalog.count(*) over () {} \
          order by c.ctid::text limit {ORPHANS_NAMED}",
        texts.join(", "),
        reference.orphans()
    );
    let Reference { child, columns, .. } = reference;
    let rows = target.query(&format!("find the orphans of `{child}`"), &sql, &[]).await?;
    Ok(Some(Orphans {
        table: child,
        columns,
        rows: rows.first().map_or(0, |row| crate::catalog::size(row.get(2))),
        first: rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
    }))
}
