//! The run in a target, seen from anywhere: reads the state, writes nothing.
//!
//! Invariant: all of it is from one snapshot of the target, so the numbers agree with each other.

use std::time::Duration;

use crate::catalog::size;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::Error;
use crate::name::RelationName;
use crate::state::{self, Presence, RunRecord};

/// A run as it stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// What it is, which phase it reached, whether it is done.
    pub run: RunRecord,
    /// Which pghaul began it.
    pub tool: String,
    /// The time since it began.
    pub age: Duration,
    /// The time from its begin to its end.
    pub took: Option<Duration>,
    /// Sessions of pghaul that work on it now, on the target. Zero: it was stopped, crashed or is
    /// done. The server shows only sessions of roles that the asking role is a member of.
    pub sessions: usize,
    /// Bytes committed in the last minute.
    pub bytes_last_minute: u64,
    /// Statements, indexes, constraints and other steps that are done.
    pub steps_done: usize,
    /// The tables, in the order of the plan.
    pub tables: Vec<TableStatus>,
    /// What was found, the gravest first; stored when the run came to an end.
    pub findings: Vec<StoredFinding>,
}

/// One table of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStatus {
    /// The table.
    pub name: RelationName,
    /// Bytes on the source's disk when the run began, TOAST included.
    pub disk_bytes: u64,
    /// Its parts.
    pub parts: usize,
    /// How many of them are copied.
    pub parts_done: usize,
    /// Rows of its committed pieces.
    pub rows: u64,
    /// Bytes of its committed pieces, as they went to the target.
    pub bytes: u64,
}

/// A finding as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredFinding {
    /// Its stable name.
    pub code: String,
    /// `note`, `warning` or `blocker`.
    pub severity: String,
    /// The object it is about.
    pub object: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Reads the run in a target; none if there is none.
///
/// # Errors
/// [`ErrorKind::Connect`](crate::ErrorKind::Connect) when the target cannot be reached,
/// [`ErrorKind::Preflight`](crate::ErrorKind::Preflight) for a schema `pghaul` that is not ours,
/// [`ErrorKind::RunState`](crate::ErrorKind::RunState) for a state that is damaged or newer.
pub async fn read(target: &Endpoint) -> Result<Option<Status>, Error> {
    let session = target.connect(Purpose::Catalog, "status").await?;
    session
        .batch("begin to read", "begin transaction isolation level repeatable read read only")
        .await?;
    if state::presence(&session).await? == Presence::Absent {
        return Ok(None);
    }
    let run = state::load(&session).await?;
    let row = session
        .query_one(
            "read the run's state",
            include_str!("status/run.sql"),
            &[&application_name(&run.id)],
        )
        .await?;
    let seconds =
        |at| row.get::<_, Option<f64>>(at).and_then(|s| Duration::try_from_secs_f64(s).ok());
    Ok(Some(Status {
        run,
        tool: row.get(0),
        age: seconds(1).unwrap_or_default(),
        took: seconds(2),
        sessions: number(row.get(3)),
        bytes_last_minute: size(row.get(4)),
        steps_done: number(row.get(5)),
        tables: tables(&session).await?,
        findings: findings(&session).await?,
    }))
}

/// How sessions of a run begin their `application_name`.
fn application_name(run: &str) -> String {
    format!("pghaul {run}")
}

fn number(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

async fn tables(session: &Session) -> Result<Vec<TableStatus>, Error> {
    let rows =
        session.query("read the run's receipts", include_str!("status/tables.sql"), &[]).await?;
    Ok(rows
        .iter()
        .map(|row| TableStatus {
            name: RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1)),
            disk_bytes: size(row.get(2)),
            parts: number(row.get(3)),
            parts_done: number(row.get(4)),
            rows: size(row.get(5)),
            bytes: size(row.get(6)),
        })
        .collect())
}

async fn findings(session: &Session) -> Result<Vec<StoredFinding>, Error> {
    let rows = session
        .query(
            "read the run's findings",
            "select code, severity, object, message, remedy from pghaul.finding order by id",
            &[],
        )
        .await?;
    let mut findings: Vec<StoredFinding> = rows
        .iter()
        .map(|row| StoredFinding {
            code: row.get(0),
            severity: row.get(1),
            object: row.get(2),
            message: row.get(3),
            remedy: row.get(4),
        })
        .collect();
    let order = ["blocker", "warning", "note"];
    findings.sort_by_key(|finding| order.iter().position(|name| *name == finding.severity));
    Ok(findings)
}
