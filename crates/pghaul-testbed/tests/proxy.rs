//! The proxy does what it says, seen from a real client and a real server.
#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::time::{Duration, Instant};

use pghaul_testbed::proxy::Commit;
use pghaul_testbed::{Database, Direction, Major, Proxy, Server, Strike};
use tokio_postgres::{Client, NoTls};

/// The oldest and the newest.
const BOTH_ENDS: [Major; 2] = [Major::OLDEST, Major::NEWEST];

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn with(major: Major) -> (Database<'static>, Proxy) {
    let server = Server::shared(major).unwrap();
    (Database::new(server, "proxied").unwrap(), Proxy::to(server).unwrap())
}

fn is_reset(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(layer) = cause {
        if let Some(io) = layer.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::ConnectionReset;
        }
        cause = layer.source();
    }
    error.is_closed()
}

#[tokio::test]
async fn without_a_fault_all_bytes_pass() {
    for major in BOTH_ENDS {
        let (database, proxy) = with(major);
        let client = client(&proxy.url(database.name())).await;
        let sql = "select md5(string_agg(md5(i::text), '')), sum(length(md5(i::text))) \
                   from generate_series(1, 200000) i";
        let expected = database.query_text(sql).await.unwrap();
        let all = "select md5(i::text) from generate_series(1, 200000) i";
        let rows = client.query(all, &[]).await.unwrap();
        let text: String = rows.iter().map(|row| row.get::<_, String>(0)).collect();
        let digest = client.query_one("select md5($1::text)", &[&text]).await.unwrap();
        assert_eq!(Some(digest.get(0)), expected[0][0]);
        let counts = proxy.counts();
        assert!(counts.to_client > 6_400_000 && counts.to_server > 6_400_000, "{counts:?}");
        assert_eq!((counts.connections, counts.open, counts.strikes), (1, 1, 0));
        drop(client);
        proxy.until(|counts| counts.open == 0).await.unwrap();
    }
}

#[tokio::test]
async fn cut_after_exactly_so_many_bytes_and_only_once() {
    let (database, proxy) = with(Major::V14);
    let url = proxy.url(database.name());
    let client_1 = client(&url).await;
    let before = proxy.counts();
    proxy.after(Direction::ToClient, 1000, Strike::Cut);
    let long = "select repeat('x', 100), generate_series(1, 100000)";
    let error = client_1.query(long, &[]).await.unwrap_err();
    assert!(is_reset(&error), "{error:?}");
    let after = proxy.until(|counts| counts.strikes == 1 && counts.open == 0).await.unwrap();
    assert_eq!(after.to_client - before.to_client, 1000);
    let client_2 = client(&url).await;
    assert_eq!(client_2.query(long, &[]).await.unwrap().len(), 100_000);

    proxy.after(Direction::ToServer, 0, Strike::Cut);
    client_2.query("select 1", &[]).await.unwrap_err();
    let sessions = "select count(*) from pg_stat_activity \
                    where datname = current_database() and pid <> pg_backend_pid()";
    while database.value(sessions).await.unwrap().unwrap() != "0" {}
}

#[tokio::test]
async fn cut_each_connection_until_healed() {
    let (database, proxy) = with(Major::V18);
    let url = proxy.url(database.name());
    proxy.each_after(Direction::ToClient, 2000, Strike::Cut);
    for _ in 0..3 {
        let client = client(&url).await;
        client.query("select repeat('x', 10000)", &[]).await.unwrap_err();
    }
    assert_eq!(proxy.counts().strikes, 3);
    proxy.heal();
    client(&url).await.query("select repeat('x', 10000)", &[]).await.unwrap();
}

#[tokio::test]
async fn a_frozen_connection_is_silent_on_both_sides_until_healed() {
    let (database, proxy) = with(Major::V12);
    let url = proxy.url(database.name());
    let frozen = client(&url).await;
    proxy.after(Direction::ToClient, 1, Strike::Freeze);
    let mut query = tokio::spawn(async move { frozen.query("select 1", &[]).await });
    proxy.until(|counts| counts.strikes == 1).await.unwrap();
    let others = client(&url).await;
    others.query("select 1", &[]).await.unwrap();
    let wait = tokio::time::timeout(Duration::from_millis(200), &mut query).await;
    assert!(wait.is_err(), "the client hears nothing");
    proxy.heal();
    query.await.unwrap().unwrap_err();
    others.query("select 1", &[]).await.unwrap();
}

#[tokio::test]
async fn stalled_bytes_arrive_after_the_stall() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (database, proxy) = with(Major::V10);
        let stalled = client(&proxy.url(database.name())).await;
        proxy.stall(direction);
        let mut query = tokio::spawn(async move { stalled.query("select 1", &[]).await });
        let wait = tokio::time::timeout(Duration::from_millis(100), &mut query).await;
        assert!(wait.is_err(), "{direction:?} is stalled");
        proxy.resume();
        assert_eq!(query.await.unwrap().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn latency_counts_in_each_direction() {
    let (database, proxy) = with(Major::V18);
    let client = client(&proxy.url(database.name())).await;
    proxy.latency(Duration::from_millis(40));
    let begin = Instant::now();
    client.simple_query("select 1").await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(80), "{:?}", begin.elapsed());
    // Bandwidth is not narrowed: requests that are under way together wait together.
    let begin = Instant::now();
    futures::future::join_all((0..300).map(|_| client.simple_query("select 1"))).await;
    let elapsed = begin.elapsed();
    assert!(
        elapsed >= Duration::from_millis(80) && elapsed < Duration::from_secs(12),
        "{elapsed:?}"
    );
}

#[tokio::test]
async fn refused_like_a_server_that_is_down() {
    let (database, proxy) = with(Major::V18);
    let url = proxy.url(database.name());
    let open = client(&url).await;
    proxy.refuse().await.unwrap();
    let error = tokio_postgres::connect(&url, NoTls).await.err().unwrap();
    assert!(format!("{error:?}").contains("ConnectionRefused"), "{error:?}");
    open.query("select 1", &[]).await.unwrap();
    proxy.cut_all();
    open.query("select 1", &[]).await.unwrap_err();
    proxy.accept().await.unwrap();
    client(&url).await.query("select 1", &[]).await.unwrap();
}

#[tokio::test]
async fn half_closed_in_each_direction() {
    let (database, proxy) = with(Major::V16);
    let url = proxy.url(database.name());
    let client_1 = client(&url).await;
    proxy.half_close(Direction::ToClient);
    let error = client_1.query("select 1", &[]).await.unwrap_err();
    assert!(error.is_closed() || !is_reset(&error), "an orderly end: {error:?}");
    proxy.heal();
    let client_2 = client(&url).await;
    client_2.query("select 1", &[]).await.unwrap();
    proxy.half_close(Direction::ToServer);
    // The server sees the end of its client and leaves.
    proxy.until(|counts| counts.open == 0).await.unwrap();
    client_2.query("select 1", &[]).await.unwrap_err();
}

#[tokio::test]
async fn a_commit_lost_on_either_way_looks_the_same_to_the_client() {
    for major in Major::ALL {
        let (database, proxy) = with(major);
        database.execute("create table t (i int)").await.unwrap();
        for (fate, rows) in [(Commit::Lose, "1"), (Commit::LoseAnswer, "2")] {
            let mut client = client(&proxy.url(database.name())).await;
            proxy.on_commit(2, fate);
            client
                .batch_execute("begin; delete from t; insert into t values (1); commit")
                .await
                .unwrap();
            let transaction = client.transaction().await.unwrap();
            transaction.execute("insert into t values (2)", &[]).await.unwrap();
            let error = transaction.commit().await.unwrap_err();
            assert!(is_reset(&error), "{error:?}");
            proxy.until(|counts| counts.open == 0).await.unwrap();
            // Not later than the cut: nobody waits here.
            let seen = database.value("select count(*) from t").await.unwrap().unwrap();
            assert_eq!(seen, rows, "{major}: {fate:?}");
        }
        assert_eq!((proxy.counts().commits, proxy.counts().strikes), (4, 2));
    }
}

#[tokio::test]
async fn a_copy_with_its_commit_behind_it_is_understood() {
    use futures::SinkExt;
    let (database, proxy) = with(Major::V18);
    database.execute("create table t (i int)").await.unwrap();
    let mut client = client(&proxy.url(database.name())).await;
    proxy.on_commit(1, Commit::LoseAnswer);
    let transaction = client.transaction().await.unwrap();
    let sink = transaction.copy_in("copy t from stdin").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    for i in 0..1000 {
        sink.send(bytes::Bytes::from(format!("{i}\n"))).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 1000);
    transaction.commit().await.unwrap_err();
    assert_eq!(database.value("select count(*) from t").await.unwrap().unwrap(), "1000");
}

#[tokio::test]
async fn the_proxy_ends_with_its_handle() {
    let (database, proxy) = with(Major::V18);
    let url = proxy.url(database.name());
    let client = client(&url).await;
    drop(proxy);
    client.query("select pg_sleep(60)", &[]).await.unwrap_err();
    while tokio_postgres::connect(&url, NoTls).await.is_ok() {}
}

/// A test that blocks its only thread still gets what the proxy and the server say.
#[tokio::test]
async fn blocking_calls_work_within_async_tests() {
    let (database, proxy) = with(Major::V18);
    assert_eq!(database.value("select 1").wait().unwrap().unwrap(), "1");
    proxy.until(|counts| counts.connections == 0).wait().unwrap();
    // More often than a task may be told something before it has to give way.
    let asked = tokio::spawn(async move {
        for _ in 0..300 {
            assert_eq!(database.value("select 1").wait().unwrap().unwrap(), "1");
        }
    });
    asked.await.unwrap();
}
