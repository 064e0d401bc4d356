//! Resuming a finished run: told from its state, whatever has become of the source.

use std::path::PathBuf;

use pghaul::run::{CloneOptions, Ending, Outcome, options::Start};
use pghaul_testbed::{Database, Major};

use crate::harness::{clone, database, fill, options};

/// Fails if it runs `pg_dump`.
async fn again(source: &Database<'_>, target: &Database<'_>) -> Outcome {
    let pg_dump = Some(PathBuf::from("/nowhere/pg_dump"));
    let options = CloneOptions { start: Start::Resume, pg_dump, ..options() };
    clone(&source.url(), &target.url(), options).await.unwrap()
}

/// What the result says of each table.
fn tables(outcome: &Outcome) -> Vec<String> {
    let of = |table: &pghaul::run::TableOutcome| {
        let (rows, bytes) = ((table.source_rows, table.target_rows), table.bytes);
        format!("{} {rows:?} {bytes} {:?} {}", table.name, table.digest, table.verified)
    };
    outcome.tables.iter().map(of).collect()
}

async fn finished(from: Major) {
    let (source, target) = (database(from, "done_src"), database(Major::V18, "done_dst"));
    fill(&source).await;
    source
        .execute(
            "create table none (); create table empty (id int); create table \"o'd\" (x float8);
             insert into \"o'd\" values ('nan'), (-0.0);
             create materialized view sums as select count(*) from t1",
        )
        .await
        .unwrap();
    if from >= Major::V10 {
        // Compared per root: what a text range means depends on the collation.
        source
            .execute(
                "create table tree (k text) partition by range (k);
                 create table tree_a partition of tree for values from ('a') to ('m');
                 create table tree_m partition of tree for values from ('m') to ('zz');
                 insert into tree select chr(97 + g % 25) from generate_series(1, 500) g",
            )
            .await
            .unwrap();
    }
    let first = clone(&source.url(), &target.url(), options()).await.unwrap();
    let state = "select string_agg(r::text, '|') from pghaul.run r";
    let before = target.value(state).await.unwrap();
    // Whoever goes on working with the source changes it.
    source
        .execute("drop table t3; alter table t4 add w int; insert into t5 values (-1)")
        .await
        .unwrap();

    let second = again(&source, &target).await;
    assert_eq!(second.ending, Ending::Complete);
    assert_eq!(tables(&first), tables(&second));
    assert!(first.tables.len() >= 15, "{}", first.tables.len());
    assert_eq!(
        (first.indexes, first.constraints, first.consistency),
        (second.indexes, second.constraints, second.consistency)
    );
    assert!(first.indexes > 30 && first.constraints > 10, "{first:?}");
    let mut findings = second.findings;
    findings.retain(|finding| finding.code != "nothing_left");
    assert_eq!(first.findings, findings);
    assert!(findings.iter().any(|finding| finding.code == "recomputed"), "{findings:?}");
    assert_eq!(target.value(state).await.unwrap(), before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_run_is_told_again_from_its_state() {
    finished(Major::V9_6).await;
    finished(Major::V18).await;
}
