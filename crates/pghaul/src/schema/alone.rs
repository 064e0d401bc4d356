//! Relations that `pg_dump` need not look at, and so does not lock.

use crate::connect::Session;
use crate::error::Error;
use crate::name::RelationName;

/// Of relations that are not wanted, by OID: those that nothing else depends on, with the sequences
/// that they own. What something else depends on has to be in the dump, so that it is known what
/// cannot be carried without it.
///
/// # Errors
/// What the server said.
pub async fn alone(source: &Session, unwanted: &[u32]) -> Result<Vec<RelationName>, Error> {
    if unwanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows = source
        .query("ask what depends on excluded tables", include_str!("alone/alone.sql"), &[&unwanted])
        .await?;
    Ok(rows
        .iter()
        .map(|row| RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1)))
        .collect())
}
