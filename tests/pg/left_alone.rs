//! What is excluded is not touched: not locked, not measured, not dumped; and what needs it is said.

use std::time::Duration;

use pghaul::run::options::SourceUse;
use pghaul::run::{CloneOptions, Ending};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major};

use crate::harness::{clone, database, options};

/// Two tables that nothing needs, one that a view and a foreign key need, sequences of all of them.
const SHOP: &str = "
    create table busy (id serial primary key, v text default 'x' check (v <> ''));
    create index on busy (v);
    create table lone (id int primary key, up int references lone);
    insert into busy (v) select 'v' from generate_series(1, 10);
    create table needed (id serial primary key);
    insert into needed default values;
    create table kept (id int primary key default nextval('needed_id_seq'), n int references needed, v text);
    insert into kept (n, v) select 1, 'k' from generate_series(1, 5);
    create view over_needed as select id from needed;
";

async fn relations(database: &Database<'_>) -> Vec<String> {
    let sql = "select relname from pg_class where relnamespace = 'public'::regnamespace
                  and relkind in ('r', 'v', 'S') order by 1";
    database.query_text(sql).await.unwrap().into_iter().flatten().flatten().collect()
}

async fn excluded_tables_may_be_locked(from: Major, to: Major) {
    let (source, target) = (database(from, "src"), database(to, "dst"));
    source.execute(SHOP).await.unwrap();
    let other = source.connect().await.unwrap();
    other.execute("begin; lock table busy, lone in access exclusive mode").await.unwrap();
    let options = CloneOptions {
        exclude: ["public.busy", "public.lone", "public.needed"].map(str::to_owned).to_vec(),
        ..options()
    };
    let (from_url, to_url) = (source.url(), target.url());
    let cloned = clone(&from_url, &to_url, options);
    let outcome = tokio::time::timeout(Duration::from_secs(60), cloned)
        .await
        .expect("it waits for a table that is excluded")
        .unwrap();
    other.execute("rollback").await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    // The sequence comes along since the table that is kept takes its numbers from it.
    assert_eq!(relations(&target).await, ["kept", "needed_id_seq"]);
    let mut left_out: Vec<&str> = outcome
        .findings
        .iter()
        .filter(|finding| finding.code == "left_out_by_filter")
        .filter_map(|finding| finding.object.as_deref())
        .collect();
    left_out.sort_unstable();
    assert_eq!(left_out, ["public.kept kept_n_fkey", "public.over_needed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_tables_may_be_locked_on_9_6() {
    excluded_tables_may_be_locked(Major::V9_6, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_tables_may_be_locked_on_18() {
    excluded_tables_may_be_locked(Major::V18, Major::V18).await;
}

/// The planner's statistics come along to 18: the same as on the source, and nothing is gathered.
#[tokio::test(flavor = "multi_thread")]
async fn statistics_come_along() {
    for from in [Major::V9_6, Major::V18] {
        let (source, target) = (database(from, "src"), database(Major::V18, "dst"));
        source
            .execute(
                "create table counted (id int primary key, v text, w numeric);
                 insert into counted select g, 'v' || g % 7, g * 1.5 from generate_series(1, 5000) g;
                 create index on counted (lower(v));
                 analyze counted;
                 update pg_class set reltuples = 4711 where relname = 'counted';
                 create table fresh (id int);
                 insert into fresh select generate_series(1, 1000)",
            )
            .await
            .unwrap();
        // Servers before 15 count writes with a delay.
        let live = CloneOptions { source_use: SourceUse::Live, ..options() };
        let outcome = clone(&source.url(), &target.url(), live).await.unwrap();
        let found = &outcome.findings;
        assert!(!outcome.has_warnings(), "{found:?}");
        assert!(!found.iter().any(|one| one.code == "not_analyzed"), "{found:?}");
        let statistics = "select tablename, attname, null_frac, n_distinct, most_common_vals::text,
                                 most_common_freqs::text, histogram_bounds::text
                            from pg_stats
                           where schemaname = 'public' and tablename <> 'fresh' order by 1, 2";
        let there = target.query_text(statistics).await.unwrap();
        assert_eq!(source.query_text(statistics).await.unwrap(), there, "{from:?}");
        assert_eq!(there.len(), 4);
        let tuples = "select reltuples::int8 from pg_class where relname = 'counted'";
        assert_eq!(target.value(tuples).await.unwrap().as_deref(), Some("4711"), "{from:?}");
        // Nobody had gathered these on the source.
        let fresh = "select count(*) from pg_stats where tablename = 'fresh'";
        assert_eq!(target.value(fresh).await.unwrap().as_deref(), Some("1"), "{from:?}");
        let compared = oracle::compare(&source.url(), &target.url(), &OracleOptions::new()).await;
        compared.unwrap().check().unwrap();
    }
}
