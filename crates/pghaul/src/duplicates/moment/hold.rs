//! Holding what is scanned: ACCESS SHARE on every table, so that nobody empties or rewrites it behind
//! our back.

use std::collections::BTreeSet;

use super::super::index::IndexDefinition;
use super::super::orphans::ForeignKey;
use super::picked::Picked;
use crate::catalog::RelationKind;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// Locks the tables, leaves of partition trees too. False when one is gone meanwhile.
pub(super) async fn lock(session: &Session, picked: &Picked) -> Result<bool, Error> {
    let names: BTreeSet<String> = picked
        .definitions
        .iter()
        .filter(|definition| definition.table_kind != RelationKind::MaterializedView)
        .map(IndexDefinition::from)
        .chain(picked.foreign_keys.iter().flat_map(ForeignKey::locked))
        .collect();
    for name in names {
        let sql = format!("lock table {name} in access share mode");
        match session.batch("lock the tables against DDL", &sql).await {
            Ok(()) => {}
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(false),
            Err(error) if error.sqlstate() == Some("42501") => {
                return Err(error.with_kind(ErrorKind::Preflight).with_hint(
                    "grant SELECT on the tables, leaves of partition trees too, or name others with --table",
                ));
            }
            Err(error) if error.sqlstate() == Some("53200") => {
                return Err(error.with_kind(ErrorKind::Preflight).with_hint(
                    "raise max_locks_per_transaction, or scan part of the tables with --table",
                ));
            }
            Err(error) if error.sqlstate() == Some("55P03") => {
                return Err(error.with_hint(
                    "another session has, or waits for, an exclusive lock on a table (see pg_locks): end it, or wait for it",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Locks materialized views, which LOCK refuses, by selecting from them. False when one was
/// refreshed since the snapshot.
pub(super) async fn hold_matviews(
    session: &Session,
    definitions: &[IndexDefinition],
) -> Result<bool, Error> {
    let views: BTreeSet<&RelationName> = definitions
        .iter()
        .filter(|definition| definition.table_kind == RelationKind::MaterializedView)
        .map(|definition| &definition.table)
        .collect();
    if views.is_empty() {
        return Ok(true);
    }
    for view in &views {
        let doing = format!("lock `{view}` against a refresh");
        let sql = format!("select 1 from {} limit 0", view.quoted());
        match session.batch(&doing, &sql).await {
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(false),
            other => other?,
        }
    }
    let schemas: Vec<&str> = views.iter().map(|view| view.schema.as_str()).collect();
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    let rows = session
        .query(
            "look whether views were refreshed",
            include_str!("relations.sql"),
            &[&Some(schemas), &Some(names)],
        )
        .await?;
    Ok(rows.len() == views.len() && rows.iter().all(|row| row.get::<_, bool>(5)))
}
