//! The relations of one side, by name, and where their rows may lie.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::super::image::{self, Types};
use super::super::side::Side;
use crate::error::{Error, Result};

/// A table, view, sequence; what of it matters here.
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: char,
    populated: bool,
    partition_of: u32,
    /// Name and type.
    pub(super) columns: Vec<(String, u32)>,
}

impl Relation {
    /// For people.
    pub(super) fn shown(&self) -> String {
        image::shown(&self.schema, &self.name)
    }

    /// For statements.
    pub(super) fn quoted(&self) -> String {
        image::relation(&self.schema, &self.name)
    }

    /// Whether it has rows of its own, or its partitions have.
    pub(super) fn has_rows(&self) -> bool {
        match self.kind {
            'r' | 'p' => true,
            'm' => self.populated,
            _ => false,
        }
    }

    /// The columns that the other one lacks.
    pub(super) fn columns_missing_in(&self, twin: &Self) -> Vec<&str> {
        let there: BTreeSet<_> = twin.columns.iter().map(|(name, _)| name).collect();
        let missing = self.columns.iter().filter(|(name, _)| !there.contains(name));
        missing.map(|(name, _)| name.as_str()).collect()
    }
}

/// All of one side but those of ignored schemas.
pub(super) struct Relations {
    /// By schema and name.
    pub(super) by_name: BTreeMap<(String, String), Relation>,
    /// Partitioned tables whose rows may lie in other leaves on another server.
    unstable: BTreeSet<u32>,
}

impl Relations {
    pub(super) async fn of(side: &Side, types: &Types, ignored: &[String]) -> Result<Self> {
        let mut columns: BTreeMap<u32, Vec<(String, u32)>> = BTreeMap::new();
        for row in side.query(include_str!("columns.sql"), &[&ignored]).await? {
            let column = (row.get("attname"), row.get("type"));
            columns.entry(row.get("relation")).or_default().push(column);
        }
        let mut by_name = BTreeMap::new();
        for row in side.query(include_str!("relations.sql"), &[&ignored]).await? {
            let kind: String = row.get("kind");
            let relation = Relation {
                oid: row.get("oid"),
                schema: row.get("nspname"),
                name: row.get("relname"),
                kind: kind.chars().next().unwrap_or_default(),
                populated: row.get("populated"),
                partition_of: row.get("partition_of"),
                columns: columns.remove(&row.get("oid")).unwrap_or_default(),
            };
            by_name.insert((relation.schema.clone(), relation.name.clone()), relation);
        }
        if let Some(oid) = columns.keys().next() {
            return Err(Error::new(format!(
                "the {} has columns of a relation that is not listed: OID {oid}",
                side.name
            )));
        }
        let mut unstable = BTreeSet::new();
        if side.at_least(10) {
            for row in side.query(include_str!("partitioned.sql"), &[]).await? {
                if moves_rows(&row, types)? {
                    unstable.insert(row.get("relation"));
                }
            }
        }
        Ok(Self { by_name, unstable })
    }

    pub(super) fn get(&self, oid: u32) -> Option<&Relation> {
        self.by_name.values().find(|relation| relation.oid == oid)
    }

    /// The partitioned tables above a relation, the nearest first.
    pub(super) fn above(&self, relation: &Relation) -> Vec<&Relation> {
        let mut above = Vec::new();
        let mut next = relation.partition_of;
        while let Some(parent) = (next != 0).then(|| self.get(next)).flatten() {
            above.push(parent);
            next = parent.partition_of;
        }
        above
    }

    /// Whether the same row may lie elsewhere in the tree on another server.
    pub(super) fn may_lie_elsewhere(&self, relation: &Relation) -> bool {
        self.above(relation).iter().any(|parent| self.unstable.contains(&parent.oid))
    }
}

/// A hash over labels is one over their OIDs; a range of text lies where the collation puts it.
fn moves_rows(row: &Row, types: &Types) -> Result<bool> {
    let strategy: String = row.get("strategy");
    if strategy == "r" {
        return Ok(row.get("collated"));
    }
    if strategy != "h" {
        return Ok(false);
    }
    let key_types: Vec<u32> = row.get("key_types");
    let mut moves = row.get("has_expressions");
    for oid in key_types {
        moves |= types.holds_enum(oid)?;
    }
    Ok(moves)
}
