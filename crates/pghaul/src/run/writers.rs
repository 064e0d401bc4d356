//! Writers that were forgotten: who believes that the source is quiet is told which tables were
//! written to since the snapshot, since these rows are not in the copy.
//!
//! The server's own counters tell. A session tells them about its writes when it commits, at most
//! once a second; what it wrote in the second before it fell idle is told when it commits again or
//! ends, from 15 on after ten seconds at the latest (`src/backend/utils/activity/pgstat.c`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::options::SourceUse;
use super::work::Run;
use crate::catalog::oid;
use crate::connect::{Purpose, Session};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::Plan;

/// How many rows were inserted, updated and deleted in each table since the statistics began.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteCounters(BTreeMap<u32, (RelationName, i64)>);

/// Before 15 sessions read a file that the statistics collector writes for each database, and are
/// content with one that is half a second old (`PGSTAT_STAT_INTERVAL`); this is a little more.
const OLDEST_COUNTS: Duration = Duration::from_millis(600);

impl WriteCounters {
    /// Reads the counters of all user tables (manual, 27.2, `pg_stat_user_tables`), with all that
    /// was told until `moment`.
    ///
    /// # Errors
    /// What the source said.
    pub(super) async fn read(source: &Session, moment: Instant) -> Result<Self, Error> {
        if !source.version().at_least(15) {
            tokio::time::sleep(OLDEST_COUNTS.saturating_sub(moment.elapsed())).await;
        }
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

    /// For a run that goes on under its snapshot: the counters that were read with it, as far as they
    /// are known and the server has not begun to count anew since.
    pub(super) fn since(mut self, then: &BTreeMap<u32, i64>, still_counting: bool) -> Self {
        for (table, (_, count)) in self.0.iter_mut().filter(|_| still_counting) {
            if let Some(then) = then.get(table) {
                *count = *then;
            }
        }
        self
    }

    /// Those of the tables of a plan, by OID, for the run's state.
    pub(super) fn of(&self, plan: &Plan) -> BTreeMap<u32, i64> {
        let of = |oid: u32| self.0.get(&oid).map(|(_, count)| (oid, *count));
        plan.tables.iter().filter_map(|table| of(table.oid)).collect()
    }

    /// The tables that were written to between `self` and `later`.
    fn moved(&self, later: &Self) -> Vec<RelationName> {
        let before = |table: &u32| self.0.get(table).map(|(_, count)| *count);
        later
            .0
            .iter()
            .filter(|(table, (_, count))| before(table).unwrap_or(0) != *count)
            .map(|(_, (name, _))| name.clone())
            .collect()
    }
}

/// Finds the tables of the run that were written to between the counters of `before` and `moment`.
pub(super) async fn find(run: &Run, before: &WriteCounters, moment: Instant) -> Result<(), Error> {
    // An archive does not change.
    let Some(source) = run.origin.server() else { return Ok(()) };
    let look = source.connect(Purpose::Catalog, &format!("{} end", run.id)).await?;
    let moved = before.moved(&WriteCounters::read(&look, moment).await?);
    let severity = match run.options.source_use {
        SourceUse::Quiet => Severity::Warning,
        SourceUse::Live => Severity::Note,
    };
    let is_planned = |name: &RelationName| run.plan.tables.iter().any(|table| table.name == *name);
    for table in moved.into_iter().filter(is_planned) {
        let finding = Finding::new(
            severity,
            "written_meanwhile",
            "rows of this table were written on the source after the snapshot; they are not in the copy",
            "stop what writes to the source and clone again, or say --live-source if that is meant",
        );
        run.find(finding.about(table));
    }
    Ok(())
}
