//! What repairs did to the digests of tables, so that a repaired clone can still be verified:
//! the source's digest = the target's - that of the rows as they are now + that of the rows as
//! they were.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pghaul_rows::TableDigest;

use super::state;
use crate::connect::Session;
use crate::duplicates::tables::roots;
use crate::error::Error;
use crate::name::RelationName;

/// What all repairs that were not undone did to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounted {
    /// The kind of digests that these are.
    pub kind: String,
    /// Rows as they were before each batch, all batches summed up.
    pub before: TableDigest,
    /// Rows as each batch left them.
    pub after: TableDigest,
}

impl Accounted {
    /// Digests of different kinds have no sum, and none that could be compared.
    fn take_in(&mut self, other: &Self) {
        if self.kind != other.kind {
            self.kind.clear();
        }
        self.before.add(other.before);
        self.after.add(other.after);
    }

    /// What the digest of a table was before the repairs, if it is this now.
    #[must_use]
    pub fn before_repair(&self, now: TableDigest) -> TableDigest {
        let mut then = now;
        then.rows = then.rows.wrapping_sub(self.after.rows);
        for (lane, after) in then.lanes.iter_mut().zip(self.after.lanes) {
            *lane = lane.wrapping_sub(after);
        }
        then.add(self.before);
        then
    }
}

/// What repairs did, by table, and by partition tree what they did to all of its leaves; empty where
/// there were none.
///
/// # Errors
/// What the server said.
pub async fn accounted(session: &Session) -> Result<BTreeMap<RelationName, Accounted>, Error> {
    let mut tables = BTreeMap::new();
    if !state::is_present(session).await? {
        return Ok(tables);
    }
    let sql = "select t.schema_name, t.table_name, t.digest, b.before_rows, b.before_0, b.before_1, \
                      b.after_rows, b.after_0, b.after_1 \
                 from pghaul.repair_batch b \
                 join pghaul.repair_table t on t.repair = b.repair and t.place = b.place \
                 join pghaul.repair r on r.id = b.repair \
                where not b.undone and b.rows > 0 \
                order by b.id";
    for row in session.query("read what repairs did", sql, &[]).await? {
        let name = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
        let entry = tables.entry(name).or_insert_with(|| Accounted {
            kind: row.get(2),
            before: TableDigest::default(),
            after: TableDigest::default(),
        });
        entry.before.add(TableDigest::from_i64s([row.get(3), row.get(4), row.get(5)]));
        entry.after.add(TableDigest::from_i64s([row.get(6), row.get(7), row.get(8)]));
    }
    for (leaf, root) in roots(session).await? {
        let Some(of_leaf) = tables.get(&leaf).cloned() else { continue };
        match tables.entry(root) {
            Entry::Vacant(new) => drop(new.insert(of_leaf)),
            Entry::Occupied(mut tree) => tree.get_mut().take_in(&of_leaf),
        }
    }
    Ok(tables)
}
