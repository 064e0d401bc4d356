//! What an interrupted rebuild leaves behind, ours or anybody's, and how it goes away.
//!
//! Invariants: nothing is stored to recognise it by, so nothing can be lost: a leftover is an index
//! that is not valid, that has a name which only a rebuild gives, and that stands beside the index
//! it was to replace (`leftovers.sql`). An index that is being built right now looks the same, but
//! its builder holds a lock that dropping waits for, and afterwards the name is gone.

use crate::catalog::oid;
use crate::connect::Session;
use crate::error::Error;
use crate::name::RelationName;

/// An index that a rebuild left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// The OID of its table.
    pub table_oid: u32,
    /// Its table.
    pub table: RelationName,
    /// The index that it was to replace.
    pub replaces: RelationName,
}

/// Finds those on these tables.
///
/// # Errors
/// What the server said.
pub(super) async fn find(session: &Session, tables: &[u32]) -> Result<Vec<Leftover>, Error> {
    let doing = "look for what an interrupted rebuild left behind";
    let rows = session.query(doing, include_str!("leftovers.sql"), &[&tables]).await?;
    let mut found: Vec<Leftover> = rows
        .iter()
        .map(|row| {
            let text = |at: usize| row.get::<_, String>(at);
            Leftover {
                oid: oid(row.get(0)),
                name: RelationName::new(text(1), text(2)),
                table_oid: oid(row.get(3)),
                table: RelationName::new(text(4), text(5)),
                replaces: RelationName::new(text(1), text(6)),
            }
        })
        .collect();
    // Several indexes of one definition: one leftover.
    found.dedup_by_key(|one| one.oid);
    Ok(found)
}

impl Leftover {
    /// The statement that drops it without standing in anybody's way.
    pub(super) fn drop_statement(&self) -> String {
        format!("drop index concurrently if exists {}", self.name.quoted())
    }
}
