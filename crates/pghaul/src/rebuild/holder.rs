//! Who holds an old snapshot, for which a concurrent build would wait.
//!
//! A concurrent build waits for every transaction of the database that is older than itself, reader
//! or writer, and all the time nothing happens (Postgres manual, CREATE INDEX, "Building Indexes
//! Concurrently"). Replication slots and standbys do not hold a build back.

use std::time::Duration;

use crate::connect::Session;
use crate::error::Error;
use crate::holder::Holder;

/// Transactions older than this are named before anything waits for them.
const OLD: Duration = Duration::from_secs(5);

/// Who holds an old snapshot in this database now, the oldest first.
///
/// # Errors
/// What the server said.
pub(super) async fn snapshots(session: &Session) -> Result<Vec<Holder>, Error> {
    let doing = "look for sessions that hold old snapshots";
    let sql = include_str!("snapshots.sql");
    let rows = session.query(doing, sql, &[&OLD.as_secs_f64()]).await?;
    Ok(rows.iter().map(|row| Holder::read(row, 0)).collect())
}
