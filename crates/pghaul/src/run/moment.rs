//! The source's moment: what a later session needs to prove that nothing has changed since, and
//! who wrote meanwhile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::oid;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;

/// The moment of a snapshot, as stored with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// `txid_current_snapshot()`: xmin, xmax and what was in progress.
    pub transactions: String,
    /// The timeline that the primary writes.
    pub timeline: Option<u32>,
    /// `stats_reset` of `pg_stat_bgwriter`: moves when a server recovers from a crash, after which
    /// transaction ids may be given out again.
    pub stats_reset: Option<String>,
    /// Whether the source is a standby: there the ids in progress are not known.
    pub in_recovery: bool,
}

impl Moment {
    /// Reads the moment of the session's snapshot.
    ///
    /// # Errors
    /// What the source said.
    pub async fn read(session: &Session) -> Result<Self, Error> {
        let row = session
            .query_one(
                "note the moment of the snapshot",
                "select pg_catalog.txid_current_snapshot()::text, stats_reset::text \
                   from pg_catalog.pg_stat_bgwriter",
                &[],
            )
            .await?;
        Ok(Self {
            transactions: row.get(0),
            timeline: session.identity().timeline,
            stats_reset: row.get(1),
            in_recovery: session.identity().in_recovery,
        })
    }

    /// As JSON, for the run's state.
    ///
    /// # Errors
    /// Never for a moment that was read.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Bug, "cannot write the moment as JSON").caused_by(error)
        })
    }
}

/// How many rows were inserted, updated and deleted in each table since the statistics began.
#[derive(Debug, Clone, Default)]
pub struct WriteCounters(BTreeMap<u32, (RelationName, i64)>);

impl WriteCounters {
    /// Reads the counters of all user tables (manual, 27.2, `pg_stat_user_tables`).
    ///
    /// # Errors
    /// What the source said.
    pub async fn read(source: &Session) -> Result<Self, Error> {
        let rows = source
            .query(
                "read the counters of writes",
                "select relid::int8, schemaname::text, relname::text \
                      , n_tup_ins + n_tup_upd + n_tup_del \
                   from pg_catalog.pg_stat_user_tables \
                  where schemaname <> 'pghaul'",
                &[],
            )
            .await?;
        Ok(Self(
            rows.iter()
                .map(|row| {
                    let name = RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2));
                    (oid(row.get(0)), (name, row.get(3)))
                })
                .collect(),
        ))
    }

    /// The tables that were written to between `self` and `later`.
    pub fn moved(&self, later: &Self) -> Vec<RelationName> {
        let before = |table: &u32| self.0.get(table).map(|(_, count)| *count);
        later
            .0
            .iter()
            .filter(|(table, (_, count))| before(table).unwrap_or(0) != *count)
            .map(|(_, (name, _))| name.clone())
            .collect()
    }
}

/// The finding about tables that were written to while the run went on.
pub(super) fn written_meanwhile(tables: &[RelationName], severity: Severity) -> Vec<Finding> {
    tables
        .iter()
        .map(|table| {
            Finding::new(
                severity,
                "written_meanwhile",
                "rows of this table were written on the source after the snapshot; they are not in the copy",
                "stop what writes to the source and clone again, or say --live-source if that is meant",
            )
            .about(table)
        })
        .collect()
}
