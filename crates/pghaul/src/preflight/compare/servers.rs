//! Versions, standbys, and budgets: locks, connections, large objects.

use super::{Row, rows};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::preflight::{Carry, Intent, rules};
use crate::version::ServerVersion;

/// What the target's role may do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::preflight) enum Rights {
    Superuser,
    /// Not a superuser, on a service that may allow its administrator more than Postgres does.
    Managed,
    Ordinary,
}

pub(in crate::preflight) async fn rights(target: &Session) -> Result<Rights, Error> {
    let role = rows(target, "look at the role", include_str!("../role.sql")).await?;
    if role.first().is_some_and(|row| row.is_true(2)) {
        return Ok(Rights::Superuser);
    }
    let traces =
        rows(target, "look for a managed service", include_str!("../provider.sql")).await?;
    Ok(if traces.is_empty() { Rights::Ordinary } else { Rights::Managed })
}

pub(super) async fn source(
    source: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    standby(source, findings).await?;
    locks(source, findings).await?;
    connections(source, intent.source_sessions, findings).await?;
    large_objects(source, intent, findings).await
}

pub(in crate::preflight) async fn target(
    source: ServerVersion,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    if order(target.version()) < order(source) {
        findings.push(rules::TARGET_OLDER.found(format!(
            "the target is PostgreSQL {}, the source {}",
            target.version(),
            source
        )));
    }
    if target.identity().in_recovery {
        findings.push(rules::TARGET_STANDBY.found("the target is a standby"));
    } else if !target.writes_by_default() {
        let message = "the target's sessions are read-only by default";
        findings.push(rules::TARGET_READ_ONLY.found(message));
    }
    connections(target, intent.target_sessions, findings).await
}

async fn standby(source: &Session, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let found = rows(source, "look for a standby", include_str!("../standby.sql")).await?;
    let Some(row) = found.first() else { return Ok(()) };
    findings.push(rules::SOURCE_STANDBY.found("the source is a standby"));
    if !source.version().at_least(10) {
        let message = "a standby of 9.6 exports no snapshot, so no two sessions see one moment";
        findings.push(rules::STANDBY_OLD.found(message));
    }
    let (delay, feedback) = (row.text(1), row.text(2));
    if delay != "-1" && feedback != "on" {
        findings.push(rules::STANDBY_CANCELS.found(format!(
            "max_standby_streaming_delay = {delay} and hot_standby_feedback = {feedback}: the \
             standby cancels queries that hold up replay"
        )));
    }
    Ok(())
}

async fn locks(source: &Session, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let found = rows(source, "count the locks needed", include_str!("../locks.sql")).await?;
    let Some(row) = found.first() else { return Ok(()) };
    let (tables, room) = (row.number(1), row.number(2));
    let message = format!("{tables} tables must be locked at once, the server has room for {room}");
    if tables > room {
        findings.push(rules::LOCKS_EXCEEDED.found(message));
    } else if tables > room / 2 {
        findings.push(rules::LOCKS_SHORT.found(message));
    }
    Ok(())
}

async fn connections(
    session: &Session,
    wanted: u32,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = session.version().sql(include_str!("../connections.sql"));
    let found = rows(session, "count the free connections", &sql).await?;
    let Some(row) = found.first() else { return Ok(()) };
    let (side, wanted) = (session.side(), i64::from(wanted));
    // This very session is one of those that are wanted.
    for (what, free, limit) in [
        ("the server", row.number(1) + 1, row.number(4)),
        ("the role", row.number(2) + 1, row.number(5)),
        ("the database", row.number(3) + 1, row.number(6)),
    ] {
        if limit < 0 {
            continue;
        }
        if limit < wanted {
            findings.push(rules::CONNECTION_LIMIT.found(format!(
                "{wanted} sessions are needed on the {side}, the limit of {what} is {limit}"
            )));
        } else if free < wanted {
            let free = free.max(0);
            findings.push(rules::CONNECTIONS_SHORT.found(format!(
                "{wanted} sessions are needed on the {side}, {free} of {limit} of {what} are free"
            )));
        }
    }
    Ok(())
}

async fn large_objects(
    source: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../large_objects.sql");
    let found: Vec<Row> = rows(source, "count the large objects", sql).await?;
    let Some(row) = found.first() else { return Ok(()) };
    let (count, owners, unreadable) = (row.number(1), row.number(2), row.number(3));
    let message = format!("{count} large objects of {owners} owners");
    if intent.large_objects == Carry::Not {
        findings.push(rules::LARGE_OBJECTS_NOT_CARRIED.found(message));
        return Ok(());
    }
    findings.push(rules::LARGE_OBJECTS.found(message));
    if unreadable > 0 {
        findings.push(
            rules::LARGE_OBJECTS_UNREADABLE
                .found(format!("the role may not read {unreadable} of {count} large objects")),
        );
    }
    Ok(())
}

/// Majors in their order: 9.6 counts 906 elsewhere.
fn order(version: ServerVersion) -> u32 {
    version.num() / 10_000
}
