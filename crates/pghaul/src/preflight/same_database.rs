//! Whether two sessions are on one and the same database, by whatever names, ports or tunnels
//! they came.
//!
//! Invariant: it is tried, not concluded: a server and its physical copies share system
//! identifier and OIDs, so equal numbers prove nothing.

use crate::connect::Session;
use crate::error::Error;

/// Takes an advisory lock in `second` and looks whether `first` sees it. Writes nothing.
///
/// # Errors
/// What a server said, or the loss of a connection.
pub async fn is_same_database(first: &Session, second: &Session) -> Result<bool, Error> {
    if first.identity().database_oid != second.identity().database_oid
        || first.version() != second.version()
    {
        return Ok(false);
    }
    let doing = "compare source and target";
    // From 2^62 on, where no application is likely to have its locks.
    let key = random() >> 2 | 1 << 62;
    let sql = |function: &str| format!("select pg_catalog.{function}({key})");
    second.batch(doing, &sql("pg_advisory_lock_shared")).await?;
    let seen = first
        .simple_rows(
            doing,
            &format!(
                "select from pg_catalog.pg_locks \
                 where locktype = 'advisory' and pid = {} \
                   and database = (select oid from pg_catalog.pg_database \
                                   where datname = pg_catalog.current_database()) \
                   and classid::int8 = {} and objid::int8 = {}",
                second.pid(),
                key >> 32,
                key & 0xffff_ffff
            ),
        )
        .await;
    second.batch(doing, &sql("pg_advisory_unlock_shared")).await?;
    Ok(!seen?.is_empty())
}

/// The standard library's random seed.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
