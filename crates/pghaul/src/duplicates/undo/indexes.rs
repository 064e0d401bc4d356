//! Unique indexes under which the rows as they were do not fit.
//!
//! Invariant: what is dropped stands in `pghaul.undo_statement` in the same transaction, with what
//! brings it back.

use std::collections::BTreeSet;

use super::Undoing;
use crate::duplicates::plan::file::TableLine;
use crate::duplicates::repair::subject::is_published;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName, literal};

/// A unique index under which rows would not fit.
pub(super) struct InTheWay {
    index: RelationName,
    /// Statements that drop it and put a plain index in its place.
    drops: Vec<String>,
    /// Statements that bring it back.
    brings_back: Vec<String>,
    /// The foreign keys that go with it.
    keys: usize,
    /// Views that cannot be without it.
    views: Vec<String>,
}

/// Views that group by a key are the user's to drop.
pub(super) fn refuse_for_views(in_the_way: &[InTheWay]) -> Result<(), Error> {
    let list: Vec<String> = in_the_way
        .iter()
        .filter(|index| !index.views.is_empty())
        .map(|index| format!("{} (by {})", index.index, index.views.join(", ")))
        .collect();
    if list.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!(
            "views need unique indexes under which the rows as they were do not fit, since they group by \
             the key: {}",
            list.join(", ")
        ),
    )
    .with_hint("keep the definitions of these views, drop them, and create them again once the duplicates are gone"))
}

pub(super) fn refuse_for_indexes(in_the_way: &[InTheWay]) -> Error {
    let list: Vec<String> = in_the_way
        .iter()
        .map(|index| match index.keys {
            0 => index.index.to_string(),
            keys => format!("{} (and {keys} foreign keys that need it)", index.index),
        })
        .collect();
    Error::new(
        ErrorKind::Preflight,
        format!("the rows as they were do not fit under unique indexes: {}", list.join(", ")),
    )
    .with_hint("--drop-indexes drops them, and prints the statements that bring them back")
}

impl Undoing<'_> {
    pub(super) async fn in_the_way(&self, tables: &[TableLine]) -> Result<Vec<InTheWay>, Error> {
        let mut found: Vec<InTheWay> = Vec::new();
        let sql = "select distinct place from pghaul.undo_row where repair = $1";
        let doing = "look which tables the repair changed";
        let rows = self.session.query(doing, sql, &[&self.repair.id]).await?;
        let changed: BTreeSet<i32> = rows.iter().map(|row| row.get(0)).collect();
        // Where no row is put back, none can be in the way.
        let tables = (0_i32..).zip(tables).filter(|(place, _)| changed.contains(place));
        for (_, table) in tables {
            for (schema, name) in &table.rebuild {
                let rows = self
                    .session
                    .query(
                        "look for unique indexes in the way",
                        include_str!("in_the_way.sql"),
                        &[schema, name],
                    )
                    .await?;
                let Some(row) = rows.first() else { continue };
                let mut one = in_the_way(row);
                // Partitions of one tree have one index.
                if found.iter().any(|other| other.index == one.index) {
                    continue;
                }
                let of = RelationName::new(row.get::<_, String>(3), row.get::<_, String>(4));
                if row.get("identifies") && is_published(self.session, &of).await? {
                    one.identify_by_whole_rows(&of, row.get("by_default"));
                }
                if !row.get::<_, bool>("may_create") {
                    return Err(Error::new(
                        ErrorKind::Preflight,
                        format!(
                            "this role may not create a plain index in the place of {}",
                            one.index
                        ),
                    )
                    .with_hint(format!("grant it CREATE on the schema `{schema}`")));
                }
                found.push(one);
            }
        }
        Ok(found)
    }

    pub(super) async fn drop_indexes(&self, in_the_way: &[InTheWay]) -> Result<(), Error> {
        if in_the_way.is_empty() {
            return Ok(());
        }
        let doing = "drop the unique indexes in the way";
        let mut sql = format!("begin; set local lock_timeout = {};", self.lock_timeout_ms);
        for index in in_the_way {
            for statement in &index.drops {
                sql.push_str(&format!("{statement};"));
            }
            for statement in &index.brings_back {
                sql.push_str(&format!(
                    "insert into pghaul.undo_statement (repair, statement) values ({}, {});",
                    self.repair.id,
                    literal(statement)
                ));
            }
        }
        sql.push_str("commit");
        self.in_transaction(doing, &sql).await
    }
}

impl InTheWay {
    /// A published table without a replica identity takes no updates, undo's own among them.
    fn identify_by_whole_rows(&mut self, table: &RelationName, by_default: bool) {
        self.drops.push(format!("alter table {} replica identity full", table.quoted()));
        // Another index than the primary key's names itself again.
        if by_default {
            self.brings_back
                .push(format!("alter table {} replica identity default", table.quoted()));
        }
    }
}

fn in_the_way(row: &tokio_postgres::Row) -> InTheWay {
    let (schema, name): (String, String) = (row.get(0), row.get(1));
    let index = RelationName::new(&schema, &name);
    let definition: String = row.get(2);
    let table = RelationName::new(row.get::<_, String>(3), row.get::<_, String>(4));
    let constraint: Option<(String, String)> =
        row.get::<_, Option<String>>(5).zip(row.get::<_, Option<String>>(6));
    let key_drops: Vec<String> = row.get(7);
    let key_adds: Vec<String> = row.get(8);
    let plain = plain_name(&name);
    let plain_index = RelationName::new(schema, &plain);
    let mut drops = key_drops.clone();
    let mut brings_back = vec![format!("drop index if exists {}", plain_index.quoted())];
    match constraint {
        Some((constraint, definition)) => {
            let constraint = Ident::new(constraint).quoted();
            let table = table.quoted();
            drops.push(format!("alter table {table} drop constraint {constraint}"));
            brings_back
                .push(format!("alter table {table} add constraint {constraint} {definition}"));
        }
        None => {
            drops.push(format!("drop index {}", index.quoted()));
            brings_back.push(definition.clone());
        }
    }
    brings_back.extend(key_adds);
    brings_back.extend(row.get::<_, Vec<String>>("settings"));
    // `CREATE UNIQUE INDEX name ON …`: what follows the name stays.
    let before = format!(" INDEX {} ON ", row.get::<_, &str>("quoted_name"));
    if let Some((_, rest)) = definition.split_once(&before) {
        let rest = rest.replace(" NULLS NOT DISTINCT", "");
        drops.push(format!("create index {} on {rest}", Ident::new(plain).quoted()));
    }
    InTheWay { index, drops, brings_back, keys: key_drops.len(), views: row.get("views") }
}

/// A name for the index that stands in, within the 63 bytes that names have.
fn plain_name(name: &str) -> String {
    let mut plain: String = name.to_owned();
    while plain.len() > 55 {
        plain.pop();
    }
    format!("{plain}_plain")
}
