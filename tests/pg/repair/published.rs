//! Publications: what they forbid, and what they send on.

use pghaul::ErrorKind;
use pghaul::finding::Severity;
use pghaul_testbed::Major;

use super::chains::rules;
use super::{Paper, digests, plan_with, repair, under_a_broken_index};
use crate::harness::database;

/// The publication names the tree, the server asks the partition for its replica identity.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_published_as_its_root_needs_an_identity() {
    let database = database(Major::V14, "as_root");
    database
        .execute(
            "create table m (id int not null, at date not null, email text not null, primary key (id, at))
               partition by range (at);
             create table m1 partition of m for values from ('2020-01-01') to ('2021-01-01');
             create unique index m1_email on m1 (email);
             insert into m select g, '2020-02-02', 'e' || g from generate_series(1, 9) g;
             alter table m1 replica identity nothing",
        )
        .await
        .unwrap();
    let twins = "insert into m select 100 + id, at, email from m where id < 4";
    database.execute(under_a_broken_index(&["m1_email"], twins)).await.unwrap();
    let sql = "create publication p for table m with (publish_via_partition_root = true)";
    database.execute(sql).await.unwrap();
    let paper = Paper::new();
    let rule = rules("[[table]]\nname = 'm'\nkeep = [{ lowest = 'id' }]");
    plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
    let before = digests(&database).await;
    let error = repair(&database.url(), &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error}");
    assert!(format!("{error}").contains("replica identity"), "{error}");
    assert_eq!(digests(&database).await, before);
}

/// Subscribers of all tables are sent rows of schema `pghaul`, which they do not have.
#[tokio::test(flavor = "multi_thread")]
async fn a_publication_of_all_tables_is_told_of_where_somebody_reads_it() {
    let database = database(Major::V14, "all_tables");
    let sql =
        "create table t (id int primary key, email text); create unique index t_email on t (email);
               insert into t select g, 'e' || g from generate_series(1, 9) g;
               create publication everything for all tables";
    database.execute(sql).await.unwrap();
    let rule = rules("[[table]]\nname = 't'\nkeep = [{ lowest = 'id' }]");
    for (number, slot) in [(1, false), (2, true)] {
        let twins = format!("insert into t select {number}00 + id, email from t where id < 4");
        database.execute(under_a_broken_index(&["t_email"], &twins)).await.unwrap();
        if slot {
            let sql = "select pg_create_logical_replication_slot('all_tables_slot', 'pgoutput')";
            database.query_text(sql).await.unwrap();
        }
        let paper = Paper::new();
        plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        let told = repaired.findings.iter().find(|one| one.code == "state_is_published");
        assert_eq!(told.is_some(), slot, "{:?}", repaired.findings);
        assert!(told.is_none_or(|one| one.severity == Severity::Warning
            && one.message.contains("everything")
            && one.message.contains("all_tables_slot")));
    }
    let drop = "select pg_drop_replication_slot('all_tables_slot')";
    database.query_text(drop).await.unwrap();
}
