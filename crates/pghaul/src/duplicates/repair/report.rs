//! What a repair says at its end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Repaired, Repairing, state};
use crate::error::Error;
use crate::finding::{Finding, Severity};

impl Repairing<'_> {
    pub(super) async fn report(mut self) -> Result<Repaired, Error> {
        let sql =
            "select number, table_name, why from pghaul.repair_skip where repair = $1 order by 1";
        let rows =
            self.bench.session.query("read what is left alone", sql, &[&self.bench.repair]).await?;
        let clusters: BTreeSet<u32> = rows
            .iter()
            .map(|row| {
                let group = u32::try_from(row.get::<_, i64>(0)).unwrap_or(0);
                self.script.cluster(group)
            })
            .collect();
        let skipped = self
            .script
            .groups
            .iter()
            .filter(|g| clusters.contains(&self.script.cluster(**g)))
            .count();
        let mut by_reason: BTreeMap<(String, String), u64> = BTreeMap::new();
        for row in &rows {
            *by_reason.entry((row.get(1), row.get(2))).or_default() += 1;
        }
        for ((table, why), groups) in by_reason {
            self.findings.push(
                Finding::new(
                    Severity::Warning,
                    "duplicates_skipped",
                    format!("{groups} groups are left alone: {why}"),
                    "plan and repair again",
                )
                .about(table),
            );
        }
        let keyless = state::keyless(self.bench.session, Some(self.bench.repair)).await?;
        self.findings.extend(keyless.iter().map(|(table, rows)| keys_given_up(table, *rows)));
        if self.uncounted > 0 {
            self.findings.push(Finding::new(
                Severity::Warning,
                "numbers_left_alone",
                format!(
                    "{} rows that hold numbers of rows were changed by somebody else, and are not counted anew",
                    self.uncounted
                ),
                "have the application count them",
            ));
        }
        if self.script.questions > 0 {
            self.findings.push(Finding::new(
                Severity::Warning,
                "duplicates_asked",
                format!("{} groups wait for answers", self.script.questions),
                "answer the questions of the plan in a file for `duplicates plan --answers`",
            ));
        }
        let sql = "select pg_catalog.count(*) from pg_catalog.pg_matviews where ispopulated";
        let row = self.bench.session.query_one("look for materialized views", sql, &[]).await?;
        let views: i64 = row.get(0);
        if views > 0 && !self.done.stopped {
            self.findings.push(Finding::new(
                Severity::Note,
                "materialized_views",
                format!("{views} materialized views still show the rows of before"),
                "refresh them; and let the application forget what it has cached",
            ));
        }
        self.done.groups = self.script.groups.len() as u64;
        self.done.skipped = skipped as u64;
        self.done.keyless = keyless.iter().map(|(_, rows)| rows).sum();
        self.done.asked = self.script.questions;
        self.done.findings = self.findings;
        Ok(self.done)
    }
}

/// Rows that repairs have left without a key.
pub(in crate::duplicates) fn keys_given_up(table: &str, rows: u64) -> Finding {
    Finding::new(
        Severity::Warning,
        "keys_given_up",
        format!(
            "{rows} rows of groups that a repair has left alone gave up the key that they shared and cannot \
             have it back: another row has it, or somebody changed them too. They have NULL or a value \
             like `pghaul 5 1` in its place, and are found as duplicates no more"
        ),
        "take the repair back with `duplicates undo`, stop the application, then plan and repair again; \
         the values stand in pghaul.undo_row",
    )
    .about(table)
}
