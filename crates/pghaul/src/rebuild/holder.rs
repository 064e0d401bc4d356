//! Who keeps a build waiting: a session, or a transaction that was prepared and never ended.
//!
//! A concurrent build waits for every transaction of the database that is older than itself, reader
//! or writer, and all the time nothing happens (Postgres manual, CREATE INDEX, "Building Indexes
//! Concurrently"). Replication slots and standbys do not hold a build back.
//!
//! Invariant: sessions of pghaul are named like anybody's.

use std::fmt;
use std::time::Duration;

use crate::connect::Session;
use crate::error::Error;

/// Who is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// Its process; none for a prepared transaction.
    pub pid: Option<i32>,
    /// The name of the prepared transaction, if it is one.
    pub prepared: Option<String>,
    /// Its role, as far as the server tells.
    pub user: Option<String>,
    /// Its `application_name`.
    pub application: Option<String>,
    /// `idle in transaction`, `active`, …, as far as the server tells.
    pub state: Option<String>,
    /// For how long its transaction has been open, as far as the server tells.
    pub age: Option<Duration>,
}

impl Holder {
    /// Whether it is a session of pghaul.
    pub fn is_ours(&self) -> bool {
        self.application.as_deref().is_some_and(|name| name.starts_with("pghaul"))
    }

    /// The statement that ends it.
    pub fn remedy(&self) -> String {
        match (self.pid, &self.prepared) {
            (_, Some(gid)) => format!("ROLLBACK PREPARED {}", crate::name::literal(gid)),
            (Some(pid), None) => format!("SELECT pg_terminate_backend({pid})"),
            (None, None) => "end the prepared transaction that pg_prepared_xacts shows".to_owned(),
        }
    }

    fn read(row: &tokio_postgres::Row, from: usize) -> Self {
        let text = |at: usize| row.get::<_, Option<String>>(from + at).filter(|t| !t.is_empty());
        let pid: i32 = row.get(from);
        let age: Option<f64> = row.get(from + 4);
        Self {
            pid: Some(pid).filter(|pid| *pid != 0),
            user: text(1),
            application: text(2),
            state: text(3),
            age: age.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            prepared: text(5),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.prepared) {
            (_, Some(gid)) => write!(f, "prepared transaction '{gid}'")?,
            (Some(pid), None) => write!(f, "process {pid}")?,
            (None, None) => f.write_str("a prepared transaction")?,
        }
        let mut said = Vec::new();
        said.extend(self.application.clone());
        said.extend(self.user.as_ref().map(|user| format!("role {user}")));
        said.extend(self.state.clone());
        said.extend(self.age.map(|age| format!("for {} s", age.as_secs())));
        if said.is_empty() { Ok(()) } else { write!(f, " ({})", said.join(", ")) }
    }
}

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

/// For each of these processes that waits, who is waited for.
///
/// # Errors
/// What the server said.
pub(super) async fn waited_for(
    session: &Session,
    waiting: &[i32],
) -> Result<Vec<(i32, Holder)>, Error> {
    let doing = "look who is waited for";
    let rows = session.query(doing, include_str!("holders.sql"), &[&waiting]).await?;
    Ok(rows.iter().map(|row| (row.get(0), Holder::read(row, 1))).collect())
}
