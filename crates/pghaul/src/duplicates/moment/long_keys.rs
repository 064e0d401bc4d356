//! Rows whose keys are too long for an index.

use std::collections::HashMap;

use pghaul_rows::Tid;

use super::super::statement;
use super::Scan;
use crate::error::Error;
use crate::name::RelationName;

/// Rows whose keys may be too long for a btree index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LongKeys {
    /// How many rows.
    pub rows: u64,
    /// Where the first of them lie.
    pub first: Vec<(RelationName, Tid)>,
}

/// Bytes of a key that fit a btree index of 12 and newer, for blocks of 8 kB: 2704 with the
/// header of the entry (`BTMaxItemSize`, `src/include/access/nbtree.h`).
const LONGEST_KEY: u32 = 2704 - 8;

/// Long rows that are named.
const LONG_NAMED: usize = 20;

impl Scan {
    /// Rows whose keys may be too long for an index of 12 and newer, as of an index that was read.
    /// An index that exists has them only where it compresses better than the table does.
    ///
    /// # Errors
    /// What the server said.
    pub async fn long_keys(&self, at: usize) -> Result<LongKeys, Error> {
        if !self.suspects.get(at).copied().unwrap_or(false) {
            return Ok(LongKeys::default());
        }
        self.begin(at).await?;
        let index = &self.indexes[at];
        let relations: HashMap<u32, &RelationName> =
            self.relations[at].iter().map(|one| (one.tag, &one.name)).collect();
        let doing = format!("look for long keys in `{}`", index.definition.table);
        let sql = statement::long_keys(index, LONGEST_KEY, LONG_NAMED);
        let mut found = LongKeys::default();
        for row in self.session.simple_rows(&doing, &sql).await? {
            let field = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
            found.rows = field(2).parse().unwrap_or(found.rows);
            let relation = field(0).parse().ok().and_then(|tag| relations.get(&tag));
            found
                .first
                .extend(relation.map(|name| RelationName::clone(name)).zip(field(1).parse().ok()));
        }
        Ok(found)
    }
}
