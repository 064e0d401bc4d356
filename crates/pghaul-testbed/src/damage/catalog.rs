//! What the catalog says about an index, its table's other unique indexes, and a table's columns.
//!
//! Invariant: all names and expressions are SQL as it stands, quoted where need be.

use tokio_postgres::{Client, Row};

use crate::error::{Error, Result};

/// A unique index.
#[derive(Debug, Clone)]
pub(super) struct UniqueIndex {
    pub(super) relation: String,
    pub(super) name: String,
    /// Unique, valid, and kept up to date.
    pub(super) is_sound: bool,
    pub(super) predicate: Option<String>,
    /// Columns and expressions.
    pub(super) keys: Vec<String>,
    /// Those keys that are columns.
    pub(super) columns: Vec<String>,
    /// All columns that keys and predicate read.
    pub(super) reads: Vec<String>,
    /// NULLS NOT DISTINCT (15 and newer).
    pub(super) nulls_equal: bool,
}

/// A column that an INSERT may name.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) nullable: bool,
    pub(super) is_text: bool,
    pub(super) is_integer: bool,
    /// Its default, if that is a sequence's next value.
    pub(super) next: Option<String>,
    /// GENERATED ALWAYS AS IDENTITY.
    pub(super) is_always: bool,
    /// The table and column that a foreign key of this column alone refers to.
    pub(super) parent: Option<(String, String)>,
}

/// An index, and the other unique indexes of its table, the primary key first.
pub(super) async fn index(client: &Client, name: &str) -> Result<(UniqueIndex, Vec<UniqueIndex>)> {
    let rows = client
        .query(include_str!("indexes.sql"), &[&name])
        .await
        .map_err(|cause| Error::server(format!("cannot look at the index {name}"), &cause))?;
    let (asked, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.get("asked"));
    let asked = asked.first().ok_or_else(|| Error::new(format!("{name} is not an index")))?;
    Ok((unique_index(asked), others.into_iter().map(unique_index).collect()))
}

/// The unique indexes of a table, the primary key first.
pub(super) async fn unique_indexes(client: &Client, table: &str) -> Result<Vec<UniqueIndex>> {
    let any = "select indexrelid::regclass::text from pg_index \
               where indrelid = $1::text::regclass and indisunique";
    let row = client
        .query(any, &[&table])
        .await
        .map_err(|cause| Error::server(format!("cannot look at the table {table}"), &cause))?;
    let Some(row) = row.first() else { return Ok(Vec::new()) };
    let (one, mut others) = index(client, row.get(0)).await?;
    others.push(one);
    Ok(others)
}

fn unique_index(row: &Row) -> UniqueIndex {
    UniqueIndex {
        relation: row.get("relation"),
        name: row.get("name"),
        is_sound: row.get("is_sound"),
        predicate: row.get("predicate"),
        keys: row.get("keys"),
        columns: row.get("columns"),
        reads: row.get("reads"),
        nulls_equal: row.get("nulls_equal"),
    }
}

/// The columns of a table but those that are generated.
pub(super) async fn columns(client: &Client, table: &str) -> Result<Vec<Column>> {
    let rows = client
        .query(include_str!("columns.sql"), &[&table])
        .await
        .map_err(|cause| Error::server(format!("cannot look at the table {table}"), &cause))?;
    Ok(rows
        .iter()
        .map(|row| Column {
            name: row.get("name"),
            type_name: row.get("type"),
            nullable: row.get("nullable"),
            is_text: row.get("is_text"),
            is_integer: row.get("is_integer"),
            next: row.get("next"),
            is_always: row.get("is_always"),
            parent: row.get::<_, Option<String>>("parent").zip(row.get("parent_column")),
        })
        .collect())
}
