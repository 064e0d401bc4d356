//! The indexes of a database, as the catalog has them.
//!
//! Invariants: only indexes of user tables and materialized views and of the TOAST tables of these,
//! none of other sessions' temporary tables, none of pghaul's own; an index is known by its OID,
//! names are for people and statements; the table of a TOAST table's index is the one whose values
//! it finds.

use crate::catalog::{oid, size};
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its OID. A rebuild may give the index another one (before 12, where a new index takes the
    /// old one's place).
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// The OID of its table.
    pub table_oid: u32,
    /// Its table, or materialized view.
    pub table: RelationName,
    /// What kind of relation that is, as far as it matters.
    pub of: IndexOf,
    /// The access method: `btree`, `gin`, ….
    pub method: String,
    /// What it forbids.
    pub rule: IndexRule,
    /// The constraint that it belongs to: a primary key, a unique or an exclusion constraint.
    pub constraint: Option<Ident>,
    /// Whether the server trusts it and keeps it up to date.
    pub state: IndexState,
    /// The index of the partitioned table that it is a part of.
    pub parent: Option<u32>,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether the role may rebuild it: the table's owner, and from 17 on who has MAINTAIN; that of
    /// a TOAST table only if the role may use the schema `pg_toast` too, which superusers may.
    pub may_rebuild: bool,
    /// The owner of its table.
    pub owner: Ident,
}

/// What kind of relation an index is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOf {
    /// A table that has rows of its own.
    Table,
    /// A partitioned table: such an index has no rows, those of the partitions have them.
    Partitioned,
    /// A materialized view that can be read.
    View,
    /// A materialized view that was never refreshed: its indexes are empty.
    EmptyView,
    /// The TOAST table of a table or materialized view: it finds the pieces of long values.
    Toast,
}

/// What an index forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexRule {
    /// Nothing.
    Plain,
    /// Two rows with one key.
    Unique,
    /// Two rows that conflict by an operator (EXCLUDE).
    Exclusion,
}

/// Whether the server trusts an index (`pg_index`, Postgres manual, 52.26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// Used and kept up to date.
    Valid,
    /// Not used: a build or a rebuild of it did not end.
    Invalid,
    /// Not even kept up to date.
    NotReady,
    /// A DROP INDEX CONCURRENTLY of it did not end.
    Dropping,
}

impl Index {
    /// Whether it has rows of its own to rebuild.
    pub fn has_rows(&self) -> bool {
        self.of != IndexOf::Partitioned
    }

    /// Reads all of them, by table.
    ///
    /// # Errors
    /// What the server said.
    pub async fn read(session: &Session) -> Result<Vec<Self>, Error> {
        let rows =
            session.query("read the list of indexes", include_str!("indexes.sql"), &[]).await?;
        Ok(rows
            .iter()
            .map(|row| {
                let flag = |at: usize| row.get::<_, bool>(at);
                Self {
                    oid: oid(row.get(0)),
                    name: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
                    table_oid: oid(row.get(3)),
                    table: RelationName::new(row.get::<_, String>(4), row.get::<_, String>(5)),
                    of: match (flag(6), flag(7), flag(17)) {
                        _ if flag(20) => IndexOf::Toast,
                        (true, ..) => IndexOf::Partitioned,
                        (false, true, true) => IndexOf::View,
                        (false, true, false) => IndexOf::EmptyView,
                        (false, false, _) => IndexOf::Table,
                    },
                    method: row.get(8),
                    rule: match (flag(9), flag(10)) {
                        (_, true) => IndexRule::Exclusion,
                        (true, false) => IndexRule::Unique,
                        (false, false) => IndexRule::Plain,
                    },
                    state: match (flag(11), flag(12), flag(13)) {
                        (_, _, false) => IndexState::Dropping,
                        (_, false, true) => IndexState::NotReady,
                        (false, true, true) => IndexState::Invalid,
                        (true, true, true) => IndexState::Valid,
                    },
                    constraint: row.get::<_, Option<String>>(14).map(Ident::new),
                    bytes: size(row.get(15)),
                    parent: row.get::<_, Option<i64>>(16).map(oid),
                    may_rebuild: flag(18),
                    owner: Ident::new(row.get::<_, String>(19)),
                }
            })
            .collect())
    }
}
