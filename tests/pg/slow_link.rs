//! Small tables over a link with latency: what costs is round trips, so these are counted.

use std::time::Duration;

use pghaul::Severity;
use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Ending};
use pghaul_testbed::{CreateOptions, Database, Major, Proxy, Server};

use crate::harness::{clone, database, options, until_gone};

/// One way; more than anything on this machine takes to answer.
const LATENCY: Duration = Duration::from_millis(10);

/// Tables of a schema that have a key, an index and a reference each; every third is empty.
async fn many(database: &Database<'_>, tables: u64) {
    let sql = format!(
        "do $$ begin for t in 1..{tables} loop \
           execute format('create table t%s (id int primary key, v text, up int)', t); \
           execute format('create index on t%s (v)', t); \
           if t % 3 <> 0 then execute format( \
             'insert into t%s select g, md5(g::text), 1 from generate_series(1, 1 + %s %% 7) g', t, t); \
           end if; \
           if t > 1 then execute format('alter table t%s add foreign key (up) references t1', t); end if; \
           execute format('comment on table t%s is %L', t, 'number ' || t); \
           execute format('grant select on t%s to public', t); \
         end loop; end $$"
    );
    database.execute(sql).await.unwrap();
}

async fn rows(database: &Database<'_>, tables: u64) -> Vec<Vec<Option<String>>> {
    let each: Vec<String> =
        (1..=tables).map(|t| format!("select {t}, id, v, up from t{t}")).collect();
    database.query_text(format!("{} order by 1, 2", each.join(" union all "))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_tables_cost_few_round_trips_each() {
    few_round_trips("", "ANALYZE").await;
    // The planner's statistics come along, then.
    few_round_trips("analyze", "STATISTICS DATA").await;
}

async fn few_round_trips(prepare: &str, statistics: &str) {
    const TABLES: u64 = 300;
    let source = database(Major::V14, "slow_src");
    many(&source, TABLES).await;
    source.execute(prepare).await.unwrap();
    let target = database(Major::V18, "slow_dst");
    let (there, here) = (Proxy::to(source.server()).unwrap(), Proxy::to(target.server()).unwrap());
    for proxy in [&there, &here] {
        proxy.latency(LATENCY);
    }
    let (from, to) = (there.url(source.name()), here.url(target.name()));
    let outcome = clone(&from, &to, options()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(rows(&source, TABLES).await, rows(&target, TABLES).await);
    // Alone, each would cost some 30; what remains is mostly the COPY of what is not empty.
    let turns = there.counts().turns + here.counts().turns;
    assert!(turns <= TABLES * 5, "{turns} round trips for {TABLES} tables");
    // Whatever was together, each table has its receipt, each step too.
    let receipts = format!(
        "select (select count(*) from pghaul.receipt), \
         (select count(*) from pghaul.step where kind = 'READ BACK'), \
         (select count(distinct object) from pghaul.step where kind in ('ANALYZE', '{statistics}') \
            and object !~ '_pkey|_idx'), \
         (select count(*) from pghaul.step where kind = 'FK CONSTRAINT')"
    );
    let count = |number: u64| Some(number.to_string());
    let noted = target.query_text(receipts).await.unwrap();
    assert_eq!(noted[0], [count(TABLES), count(TABLES), count(TABLES), count(2 * (TABLES - 1))]);
    let valid = "select count(*) from pg_constraint where contype = 'f' and convalidated \
                   and connamespace = 'public'::regnamespace";
    assert_eq!(target.value(valid).await.unwrap(), count(TABLES - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_table_does_not_spoil_those_that_it_travels_with() {
    const TABLES: u64 = 30;
    let latin = CreateOptions { encoding: Some("SQL_ASCII".to_owned()), ..Default::default() };
    let server = Server::shared(Major::V9_6).unwrap();
    let source = Database::create(server, "spoilt_src", &latin).unwrap();
    many(&source, TABLES).await;
    source.execute("update t7 set v = E'\\xe9'; update t8 set v = E'\\xe9'").await.unwrap();
    let target = database(Major::V18, "spoilt_dst");
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22021"), "{error:?}");
    let others = "select count(*) from pghaul.step where kind = 'READ BACK'";
    assert_eq!(target.value(others).await.unwrap(), Some((TABLES - 2).to_string()));
    source.execute("update t7 set v = 'e'; update t8 set v = 'e'").await.unwrap();
    until_gone(&[&source]).await;
    let again = CloneOptions {
        start: Start::ResumeRestarting(vec!["public.t7".to_owned(), "public.t8".to_owned()]),
        ..options()
    };
    let outcome = clone(&source.url(), &target.url(), again).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(rows(&source, TABLES).await, rows(&target, TABLES).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_leaves_those_that_it_runs_with_alone() {
    const TABLES: u64 = 30;
    let source = database(Major::V14, "steps_src");
    many(&source, TABLES).await;
    // An orphan, and a key that is there twice.
    source
        .execute(
            "set session_replication_role = replica; update t7 set up = 99; \
             set session_replication_role = default; create unique index t8_v on t8 (v); \
             update pg_index set indisunique = false where indexrelid = 't8_v'::regclass; \
             insert into t8 select 1000 + id, v, 1 from t8; \
             update pg_index set indisunique = true where indexrelid = 't8_v'::regclass",
        )
        .await
        .unwrap();
    let target = database(Major::V18, "steps_dst");
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    let mut found: Vec<&str> = outcome
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .map(|finding| finding.code)
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["duplicates", "orphans"], "{:?}", outcome.findings);
    assert!(outcome.tables.iter().all(|table| table.verified));
    let made = "select (select count(*) from pg_index i join pg_class c on c.oid = i.indrelid \
                          where c.relnamespace = 'public'::regnamespace), \
                       (select count(*) from pg_constraint where contype = 'f' and convalidated \
                          and connamespace = 'public'::regnamespace), \
                       (select count(*) from pg_class where obj_description(oid) like 'number %'), \
                       (select count(*) from information_schema.role_table_grants \
                          where grantee = 'PUBLIC' and table_schema = 'public')";
    let count = |number: u64| Some(number.to_string());
    let all = [count(2 * TABLES), count(TABLES - 2), count(TABLES), count(TABLES)];
    assert_eq!(target.query_text(made).await.unwrap()[0], all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_for_good_is_what_the_run_ends_with() {
    const TABLES: u64 = 30;
    let source = database(Major::V14, "good_src");
    many(&source, TABLES).await;
    source
        .execute(format!(
            "create function picky(int) returns int language sql immutable as \
             $$ select 1 / case when current_database() = '{}' then $1 else 0 end $$; \
             create index t8_picky on t8 (picky(id))",
            source.name()
        ))
        .await
        .unwrap();
    let target = database(Major::V18, "good_dst");
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22012"), "{error:?}");
    assert!(format!("{error:?}").contains("t8_picky"), "{error:?}");
    let done = "select (select count(*) from pghaul.step where kind = 'READ BACK'), \
                       (select count(*) from pghaul.step where kind = 'INDEX'), \
                       (select count(*) from pghaul.step where kind = 'ANALYZE')";
    let count = |number: u64| Some(number.to_string());
    let all = [count(TABLES), count(TABLES), count(TABLES)];
    assert_eq!(target.query_text(done).await.unwrap()[0], all);
}
