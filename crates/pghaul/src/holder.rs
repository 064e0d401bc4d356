//! Who keeps a session of ours waiting: a session, or a transaction that was prepared and never
//! ended.
//!
//! Invariants: sessions of pghaul are named like anybody's; what others run is never shown, since
//! statements hold values.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::connect::Session;
use crate::error::Error;
use crate::name::RelationName;

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
    /// The lock that is in the way; none if it is waited for because of something else.
    pub lock: Option<HeldLock>,
}

/// A lock of somebody who is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    /// Its mode, as `pg_locks` names it: `AccessExclusiveLock`, ….
    pub mode: String,
    /// The relation, quoted and with its schema; none if it is on something else.
    pub relation: Option<String>,
    /// Whether it has the lock, or waits for it itself, before us.
    pub granted: bool,
}

impl fmt::Display for HeldLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.granted { "has " } else { "waits for " })?;
        f.write_str(&self.mode)?;
        self.relation.as_ref().map_or(Ok(()), |relation| write!(f, " on {relation}"))
    }
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

    /// Six columns of a row: process, role, application, state, seconds of its transaction, prepared
    /// transaction.
    pub(crate) fn read(row: &tokio_postgres::Row, from: usize) -> Self {
        let text = |at: usize| row.get::<_, Option<String>>(from + at).filter(|t| !t.is_empty());
        let pid: i32 = row.get::<_, Option<i32>>(from).unwrap_or_default();
        let age: Option<f64> = row.get(from + 4);
        Self {
            pid: Some(pid).filter(|pid| *pid != 0),
            user: text(1),
            application: text(2),
            state: text(3),
            age: age.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            prepared: text(5),
            lock: None,
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
        said.extend(self.lock.as_ref().map(HeldLock::to_string));
        if said.is_empty() { Ok(()) } else { write!(f, " ({})", said.join(", ")) }
    }
}

/// For each of these processes that waits for a lock, who is waited for.
///
/// # Errors
/// What the server said.
pub(crate) async fn waited_for(
    session: &Session,
    waiting: &[i32],
) -> Result<Vec<(i32, Holder)>, Error> {
    let doing = "look who is waited for";
    let rows = session.query(doing, include_str!("holder/holders.sql"), &[&waiting]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let lock = row.get::<_, Option<String>>(7).map(|mode| HeldLock {
                mode,
                relation: row.get(8),
                granted: row.get::<_, Option<bool>>(9).unwrap_or(true),
            });
            (row.get(0), Holder { lock, ..Holder::read(row, 1) })
        })
        .collect())
}

/// Who has, or waits for, a lock on one of these tables that keeps readers out: those who have one
/// first, then by age.
///
/// # Errors
/// What the server said.
pub(crate) async fn keep_readers_out(
    session: &Session,
    tables: &BTreeSet<RelationName>,
) -> Result<Vec<Holder>, Error> {
    let doing = "look who keeps readers out";
    let rows = session.query(doing, include_str!("holder/exclusive.sql"), &[]).await?;
    Ok(rows
        .iter()
        .filter(|row| {
            let name = RelationName::new(row.get::<_, String>(9), row.get::<_, String>(10));
            tables.contains(&name)
        })
        .map(|row| {
            let (mode, relation, granted) = (row.get(6), row.get(7), row.get(8));
            Holder { lock: Some(HeldLock { mode, relation, granted }), ..Holder::read(row, 0) }
        })
        .collect())
}

/// How often to say again who is waited for.
const AGAIN: Duration = Duration::from_secs(30);

/// What was said last about one who waits.
#[derive(Default)]
pub(crate) struct Told(Option<(Instant, Vec<Holder>)>);

impl Told {
    /// Takes in who is waited for now, nobody included; whether that is to be said.
    pub(crate) fn is_news(&mut self, holders: &[Holder]) -> bool {
        if holders.is_empty() {
            return self.0.take().is_some();
        }
        let known = |holders: &[Holder]| -> Vec<(Option<i32>, Option<String>)> {
            holders.iter().map(|one| (one.pid, one.prepared.clone())).collect()
        };
        let news = self
            .0
            .as_ref()
            .is_none_or(|(at, told)| at.elapsed() >= AGAIN || known(told) != known(holders));
        if news {
            self.0 = Some((Instant::now(), holders.to_vec()));
        }
        news
    }
}
