//! Which indexes are meant: names of tables and indexes, as people write them.
//!
//! Invariants: a name that means nothing, or more than one thing, is an error; a partitioned table
//! or index means the indexes of all its partitions too.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use crate::error::Error;
use crate::name::RelationName;
use crate::name::given::given;

/// Names of tables and indexes. Each is `name` or `schema.name`, with or without double quotes, or
/// a glob over `schema.name`. None at all: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// All indexes of these tables and materialized views.
    pub tables: Vec<String>,
    /// These indexes.
    pub indexes: Vec<String>,
}

impl Selection {
    /// Whether nothing was named.
    pub fn is_everything(&self) -> bool {
        self.tables.is_empty() && self.indexes.is_empty()
    }

    /// The OIDs of the indexes that are meant.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a name that no index has, or several.
    pub fn pick(&self, all: &[Index]) -> Result<BTreeSet<u32>, Error> {
        if self.is_everything() {
            return Ok(all.iter().map(|index| index.oid).collect());
        }
        let mut picked = BTreeSet::new();
        for wanted in &self.tables {
            let tables: BTreeMap<&RelationName, Vec<u32>> =
                all.iter().fold(BTreeMap::new(), |mut tables, index| {
                    tables.entry(&index.table).or_insert_with(Vec::new).push(index.oid);
                    tables
                });
            for name in given(wanted, "table with an index", tables.keys().copied())? {
                picked.extend(tables.get(name).into_iter().flatten());
            }
        }
        for wanted in &self.indexes {
            let names = given(wanted, "index", all.iter().map(|index| &index.name))?;
            picked.extend(
                all.iter().filter(|index| names.contains(&&index.name)).map(|index| index.oid),
            );
        }
        // Down the trees of partitions.
        loop {
            let below: Vec<u32> = all
                .iter()
                .filter(|index| index.parent.is_some_and(|parent| picked.contains(&parent)))
                .filter(|index| !picked.contains(&index.oid))
                .map(|index| index.oid)
                .collect();
            if below.is_empty() {
                return Ok(picked);
            }
            picked.extend(below);
        }
    }
}
