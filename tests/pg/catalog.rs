//! Reading the catalogs inside a snapshot.

use pghaul::catalog::Catalog;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::{Scan, ScanOptions};
use pghaul::snapshot::Keeper;
use pghaul_testbed::{Database, Major};

use crate::harness::database;

async fn scans(database: &Database<'_>) -> u64 {
    let sql = "select sum(seq_scan) from pg_stat_sys_tables \
               where relname in ('pg_class', 'pg_attribute', 'pg_type', 'pg_depend')";
    // Counters arrive a moment after the session that made them has ended.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    database.value(sql).await.unwrap().unwrap().parse().unwrap()
}

/// Thousands of tables cost some passes over the catalogs, not one for each table, and the session
/// that looked trusts no index of user tables.
async fn in_passes(major: Major) {
    let source = database(major, "passes");
    source
        .execute(
            "do $$ begin for i in 1..400 loop \
             execute 'create table t' || i || ' (id serial primary key, v text, a int[])'; \
             end loop; end $$",
        )
        .await
        .unwrap();
    let before = scans(&source).await;
    let end = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let keeper = Keeper::start(&end, |_| true).await.unwrap();
    let catalog = Catalog::read(keeper.session()).await.unwrap();
    assert_eq!(catalog.relations.len(), 800, "tables and sequences");
    let row = keeper
        .session()
        .query_one("ask", "select pg_catalog.current_setting('enable_indexscan')", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "off");
    drop(keeper);
    let passes = scans(&source).await - before;
    assert!(passes < 200, "{passes} passes over catalogs for 400 tables, on {major}");

    let before = scans(&source).await;
    let end = Endpoint::parse(Side::Database, &source.url()).unwrap();
    let scan = Scan::start(&end, ScanOptions::default()).await.unwrap();
    assert_eq!(scan.indexes().len(), 400);
    drop(scan);
    let passes = scans(&source).await - before;
    assert!(passes < 200, "{passes} passes to begin a scan of 400 tables, on {major}");
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_are_read_in_passes_and_not_per_table() {
    in_passes(Major::V9_6).await;
    in_passes(Major::V14).await;
    in_passes(Major::V18).await;
}

/// A materialized view that is being refreshed is nobody's to measure: the run does not read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_refreshed_keeps_nobody_waiting() {
    for major in [Major::V9_6, Major::V18] {
        let source = database(major, "refreshed");
        source
            .execute("create table t (id int); create materialized view v as select * from t")
            .await
            .unwrap();
        let holder = source.connect().await.unwrap();
        holder.execute("begin; refresh materialized view v").await.unwrap();
        let end = Endpoint::parse(Side::Source, &source.url()).unwrap();
        let keeper = Keeper::start(&end, |_| true).await.unwrap();
        let catalog = Catalog::read(keeper.session()).await.unwrap();
        assert_eq!(catalog.relations.len(), 2, "{major}");
    }
}
