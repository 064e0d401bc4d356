//! Digests made by the servers: the same verdicts, with less sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::run::Stop;
use pghaul::verify::options::DigestOn;
use pghaul::verify::{PreparedVerify, VerifyOptions};
use pghaul_testbed::Major;

use super::{rows_only, verify};
use crate::harness::database;

fn on_servers() -> VerifyOptions {
    VerifyOptions { digest_on: DigestOn::Server, ..rows_only() }
}

/// Before 11 there are no arrays of domains.
fn rows(domain_arrays: bool) -> String {
    let (column, value) =
        if domain_arrays { ("ds small[],", "array[g, null]::small[],") } else { ("", "") };
    ROWS.replace("DS", column).replace("ARR", value)
}

const ROWS: &str = "
create type mood as enum ('sad', 'happy');
create domain small as int check (value < 100000);
create type pair as (a int, m mood, n numeric);
create table t (id int primary key, v text, f float8, n numeric, m mood, ms mood[], d small, DS p pair, r int4range, j jsonb);
insert into t select g, 'v' || g, g / 3.0, g * 1.10, 'sad', '{sad,NULL,happy}', g, ARR row(g, 'happy'::mood, 1.0)::pair, int4range(g, g + 5), '{\"a\": 1}'
  from generate_series(1, 20000) g;
insert into t (id) values (0);
create table k (v text); insert into k select 'v' || g % 10 from generate_series(1, 1000) g;
";

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_those_of_the_client() {
    for (from, to, kind) in [
        (Major::V9_6, Major::V18, "md5-binary"),
        (Major::V14, Major::V18, "sha256-binary"),
        (Major::V18, Major::V10, "md5-binary"),
    ] {
        let domains = from == Major::V14;
        let source = database(from, "server_src");
        let target = database(to, "server_dst");
        source.execute(rows(domains)).await.unwrap();
        target.execute(rows(domains)).await.unwrap();
        let compared = verify(&source.url(), &target.url(), on_servers()).await.unwrap();
        compared.assert_equal();
        assert_eq!(compared.table("public.t").digest_kind.unwrap().name(), kind);
        assert!(!compared.notes().iter().any(|(code, _)| *code == "digested_by_client"));
        target
            .execute(
                "update t set ms[1] = 'happy' where id = 5; update t set d = 0 where id = 6;
                 update t set p.m = 'sad' where id = 7; delete from t where id = 8;
                 insert into t (id) values (-1); update t set n = n::numeric(20, 5) where id = 9;
                 insert into k values ('v1'); delete from k where ctid = (select min(ctid) from k)",
            )
            .await
            .unwrap();
        let by_servers = verify(&source.url(), &target.url(), on_servers()).await.unwrap();
        let by_client = verify(&source.url(), &target.url(), rows_only()).await.unwrap();
        assert_eq!(
            by_servers.named("public.t"),
            ["Extra -1", "Changed 5 ms", "Changed 6 d", "Changed 7 p", "Missing 8", "Changed 9 n"]
        );
        for table in ["public.t", "public.k"] {
            assert_eq!(by_servers.named(table), by_client.named(table));
        }
        assert_eq!(by_servers.wrong(), by_client.wrong());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_digests_leave_the_servers() {
    let domains = true;
    let source = database(Major::V14, "slow_src");
    let target = database(Major::V18, "slow_dst");
    source.execute(rows(domains)).await.unwrap();
    target.execute(rows(domains)).await.unwrap();
    let ends = (
        Endpoint::parse(Side::Source, &source.url()).unwrap(),
        Endpoint::parse(Side::Target, &target.url()).unwrap(),
    );
    let prepared = PreparedVerify::new(ends.0, ends.1, on_servers()).await.unwrap();
    let counters = Arc::new(Counters::default());
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let company = (Arc::new(()) as _, Arc::clone(&counters), Stop::default());
    prepared.run(company, sender).await.unwrap();
    assert_eq!(counters.bytes_read.load(Ordering::Relaxed), 0);
    assert_eq!(counters.bytes_read_back.load(Ordering::Relaxed), 0);
    assert_eq!(counters.rows_read.load(Ordering::Relaxed), 21001);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_client_can_digest_is_said_and_compared() {
    let sql =
        "create domain d as int; create type c as (x d); create table t (id int primary key, v c);
        insert into t select g, ('(' || g || ')')::c from generate_series(1, 100) g";
    let source = database(Major::V14, "client_src");
    let target = database(Major::V18, "client_dst");
    source.execute(sql).await.unwrap();
    target.execute(sql).await.unwrap();
    let compared = verify(&source.url(), &target.url(), on_servers()).await.unwrap();
    compared.assert_equal();
    assert!(compared.notes().contains(&("digested_by_client", "public.t".to_owned())));
    assert_eq!(compared.table("public.t").digest_kind.unwrap().name(), "sha256-binary");
    target.execute("update t set v.x = 0 where id = 5").await.unwrap();
    let compared = verify(&source.url(), &target.url(), on_servers()).await.unwrap();
    assert_eq!(compared.named("public.t"), ["Changed 5 v"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_of_nan_is_no_difference() {
    let table = "create table t (id int primary key, f float8, fs float8[], p point)";
    let source = database(Major::V14, "nan_src");
    let target = database(Major::V18, "nan_dst");
    source
        .execute(format!("{table}; insert into t values (1, 'NaN', '{{NaN,1}}', '(NaN,1)')"))
        .await
        .unwrap();
    // Postgres keeps the sign of a NaN that arithmetic made.
    target
        .execute(format!(
            "{table}; insert into t values (1, -'NaN'::float8, array[-'NaN'::float8, 1], point(-'NaN'::float8, 1))"
        ))
        .await
        .unwrap();
    for options in [rows_only(), on_servers()] {
        let compared = verify(&source.url(), &target.url(), options).await.unwrap();
        compared.assert_equal();
    }
    target.execute("update t set p = '(1,1)'").await.unwrap();
    let compared = verify(&source.url(), &target.url(), on_servers()).await.unwrap();
    assert_eq!(compared.named("public.t"), ["Changed 1 p"]);
}
