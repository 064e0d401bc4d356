//! Which indexes are scanned: `--table` and `--index`.
//!
//! Invariant: a name that fits nothing, or more than one object, is an error of usage that says so.

use std::collections::BTreeSet;

use super::index::IndexDefinition;
use super::options::ScanOptions;
use crate::catalog::Oid;
use crate::error::Error;
use crate::name::RelationName;
use crate::name::given::given;

/// The indexes that belong to these tables, and these indexes; all where nothing is named. Without
/// being named, an index that is part of a partition tree's is left to that.
pub(super) fn select(
    all: Vec<IndexDefinition>,
    relations: &[RelationName],
    options: &ScanOptions,
) -> Result<Vec<IndexDefinition>, Error> {
    if options.tables.is_empty() && options.indexes.is_empty() {
        return Ok(all.into_iter().filter(|index| index.parent.is_none()).collect());
    }
    let wanted_tables: BTreeSet<RelationName> =
        tables_named(relations, options)?.into_iter().collect();
    let mut wanted: BTreeSet<Oid> = BTreeSet::new();
    for text in &options.indexes {
        let names = given(text, "unique index", all.iter().map(|index| &index.name))?;
        let meant = all.iter().filter(|index| names.contains(&&index.name));
        wanted.extend(meant.map(|index| index.oid));
    }
    Ok(all
        .into_iter()
        .filter(|index| wanted.contains(&index.oid) || wanted_tables.contains(&index.table))
        .collect())
}

/// The tables that were named.
pub(super) fn tables_named(
    relations: &[RelationName],
    options: &ScanOptions,
) -> Result<Vec<RelationName>, Error> {
    let mut named = Vec::new();
    for text in &options.tables {
        named.extend(given(text, "table", relations.iter())?.into_iter().cloned());
    }
    Ok(named)
}
