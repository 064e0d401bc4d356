//! Repair of duplicates: nothing is lost, every unique index holds, and all of it can be undone.

mod autovacuum;
mod brought_back;
mod carried;
mod cases;
mod chains;
mod counts;
mod expressions;
mod given_up;
mod guards;
mod keys;
mod late;
mod loose;
mod mastodon;
mod odd;
mod published;
mod scans;
mod tables;
mod values;

use std::path::{Path, PathBuf};

use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::plan::{self, PlanOptions, Planned};
use pghaul::duplicates::repair::{RepairOptions, Repaired};
use pghaul::duplicates::rules::Rules;
use pghaul::duplicates::undo::{Indexes, UndoOptions, Undone};
use pghaul::event::{Counters, Observer};
use pghaul::run::Stop;
use pghaul_testbed::{Database, Major};

/// The database of a verb on duplicates.
/// The majors that a repair is promised for, where `PGHAUL_TEST_MAJORS` is set.
pub(crate) fn majors(usually: &[Major]) -> Vec<Major> {
    Major::tried(usually, &[Major::V9_6, Major::V10, Major::V14, Major::V18])
}

pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(Side::Database, url).unwrap()
}

/// A folder for a plan.
pub(crate) struct Paper {
    folder: tempfile::TempDir,
}

impl Paper {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.folder.path().join("plan")
    }

    pub(crate) fn other(&self) -> PathBuf {
        self.folder.path().join("other")
    }
}

/// Plans by Mastodon's rules.
pub(crate) async fn plan_mastodon(url: &str, out: &Path) -> Result<Planned, Error> {
    let options = PlanOptions { rules: Rules::mastodon().unwrap(), ..PlanOptions::default() };
    plan_with(url, &options, out).await
}

/// Plans.
pub(crate) async fn plan_with(
    url: &str,
    options: &PlanOptions,
    out: &Path,
) -> Result<Planned, Error> {
    plan::plan(&endpoint(url), None, options, out, &Counters::default()).await
}

/// Repairs, in small batches.
pub(crate) async fn repair(url: &str, plan: &Path) -> Result<Repaired, Error> {
    repair_until(url, plan, &(), &Stop::default()).await
}

/// Repairs, in batches of so many rows.
pub(crate) async fn repair_in_batches_of(
    batch_rows: usize,
    url: &str,
    plan: &Path,
) -> Result<Repaired, Error> {
    let options = RepairOptions { batch_rows, ..RepairOptions::default() };
    let stop = Stop::default();
    pghaul::duplicates::repair::repair(&endpoint(url), plan, options, &(), &stop).await
}

/// Repairs, watched.
pub(crate) async fn repair_until(
    url: &str,
    plan: &Path,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Repaired, Error> {
    let options = RepairOptions { batch_rows: 37, ..RepairOptions::default() };
    pghaul::duplicates::repair::repair(&endpoint(url), plan, options, observer, stop).await
}

/// Undoes.
pub(crate) async fn undo(url: &str, drop_indexes: bool) -> Result<Undone, Error> {
    let indexes = if drop_indexes { Indexes::Drop } else { Indexes::Keep };
    let options = UndoOptions::default().with_indexes(indexes);
    pghaul::duplicates::undo::undo(&endpoint(url), options, &(), &Stop::default()).await
}

/// Digests of all tables, by plain SQL.
pub(crate) async fn digests(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let tables = database
        .query_text(
            "select oid::regclass::text from pg_class where relkind = 'r' \
             and relnamespace = 'public'::regnamespace order by 1",
        )
        .await
        .unwrap();
    let each: Vec<String> = tables
        .iter()
        .flatten()
        .flatten()
        .map(|table| {
            format!(
                "select '{table}', count(*), md5(string_agg(md5(t::text), '' order by md5(t::text) collate \"C\")) \
                 from only {table} t"
            )
        })
        .collect();
    let off =
        "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off;";
    let mut rows =
        database.query_text(format!("{off} {}", each.join(" union all "))).await.unwrap();
    rows.sort();
    rows
}

/// Statements that unique indexes do not hold back: duplicates under them that they know. For a
/// superuser, as one message.
pub(crate) fn under_a_broken_index(indexes: &[&str], sql: &str) -> String {
    let list: Vec<String> = indexes.iter().map(|index| format!("'{index}'::regclass")).collect();
    let list = list.join(", ");
    format!(
        "update pg_index set indisunique = false where indexrelid in ({list}); {sql}; \
         update pg_index set indisunique = true where indexrelid in ({list})"
    )
}

/// Foreign keys with rows that refer to nothing.
pub(crate) async fn orphans(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let queries = database.query_text(include_str!("repair/orphans.sql")).await.unwrap();
    let all: Vec<String> = queries.into_iter().flatten().flatten().collect();
    if all.is_empty() {
        return Vec::new();
    }
    let sql = format!(
        "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off; \
         select * from ({}) as x (key, orphans) where orphans > 0",
        all.join(" union all ")
    );
    database.query_text(sql).await.unwrap()
}

/// Every unique index can be built anew, and no row refers to nothing.
pub(crate) async fn clean(database: &Database<'_>) {
    clean_but(database, &[]).await;
}

/// The same, but for some indexes.
pub(crate) async fn clean_but(database: &Database<'_>, left: &[&str]) {
    let rows = database
        .query_text(
            "select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index i \
             join pg_class c on c.oid = i.indrelid \
             where i.indisunique and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace",
        )
        .await
        .unwrap();
    let mut sql = String::from("begin;");
    for (at, row) in rows.iter().enumerate() {
        if left.contains(&row[0].as_deref().unwrap()) {
            continue;
        }
        let definition = row[1].clone().unwrap();
        let (_, rest) = definition.split_once(" ON ").unwrap();
        sql.push_str(&format!("create unique index again_{at} on {rest};"));
    }
    sql.push_str("rollback");
    database.execute(sql).await.unwrap();
    assert!(orphans(database).await.is_empty());
}
