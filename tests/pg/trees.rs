//! Indexes of partition trees. Attached at the same time, they leave those of their parents invalid
//! in silence, as `pg_restore -j` does.

use std::num::NonZeroUsize;

use pghaul::run::CloneOptions;
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major};

use crate::harness::{clone, database, options};

/// Twenty partition trees of three levels: 140 tables with 420 indexes, and keys between the trees.
pub(crate) const TREES: &str = "do $$ begin
    execute 'create schema app';
    for t in 1..20 loop
        execute format('create table app.t%s (a int, b int, c int) partition by list (a)', t);
        for p in 1..2 loop
            execute format('create table app.t%s_%s partition of app.t%s for values in (%s) partition by list (b)', t, p, t, p);
            for q in 1..2 loop
                execute format('create table app.t%s_%s_%s partition of app.t%s_%s for values in (%s)', t, p, q, t, p, q);
            end loop;
        end loop;
        execute format('create unique index t%s_key on app.t%s (a, b)', t, t);
        execute format('create index t%s_c on app.t%s (c)', t, t);
        execute format('alter table app.t%s add primary key (a, b, c)', t);
    end loop;
    for t in 2..20 loop
        execute format('alter table app.t%s add foreign key (a, b) references app.t%s (a, b)', t, t - 1);
    end loop;
end $$";

async fn count(database: &Database<'_>, of: &str) -> usize {
    database.value(format!("select count(*) from {of}")).await.unwrap().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_of_three_levels_keep_valid_indexes_with_eight_builders() {
    const OURS: &str = "pg_index where indrelid::regclass::text like 'app.%'";
    for from in [Major::V12, Major::V18] {
        let (source, target) = (database(from, "trees_src"), database(Major::V18, "trees_dst"));
        source.execute(TREES).await.unwrap();
        source
            .execute(
                "insert into app.t1 values (1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 2, 0); \
                 insert into app.t2 select * from app.t1",
            )
            .await
            .unwrap();
        let options = CloneOptions { index_jobs: NonZeroUsize::new(8).unwrap(), ..options() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
        let indexes = count(&target, OURS).await;
        assert!(indexes > 200, "{indexes}");
        assert_eq!(indexes, count(&source, OURS).await);
        assert_eq!(count(&target, &format!("{OURS} and not (indisvalid and indisready)")).await, 0);
        assert_eq!(count(&target, "pg_constraint where not convalidated").await, 0);
        let report = oracle::compare(&source.url(), &target.url(), &OracleOptions::new()).await;
        report.unwrap().check().unwrap();
    }
}
