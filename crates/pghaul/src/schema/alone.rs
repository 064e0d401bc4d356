//! Relations that `pg_dump` need not look at, and so does not lock.

use tokio_postgres::types::ToSql;

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
    let doing = "ask what depends on excluded tables";
    names(source, doing, include_str!("alone/alone.sql"), &[&unwanted]).await
}

/// Of relations that are not wanted, by OID: the tables that the role may not lock, if none of
/// those that are wanted needs them, however remotely. What else depends on them may be in the dump,
/// so this is for dumps of which only what is wanted is taken, with what it needs.
///
/// # Errors
/// What the server said.
pub async fn out_of_reach(
    source: &Session,
    wanted: &[u32],
    unwanted: &[u32],
) -> Result<Vec<RelationName>, Error> {
    let doing = "ask which tables the role may not lock";
    let sql = include_str!("alone/out_of_reach.sql");
    source.with_catalog_indexes(names(source, doing, sql, &[&wanted, &unwanted])).await
}

async fn names(
    source: &Session,
    doing: &str,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<RelationName>, Error> {
    let rows = source.query(doing, sql, params).await?;
    Ok(rows
        .iter()
        .map(|row| RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1)))
        .collect())
}
