//! Whatever is killed, and whenever: no table is ever without an index it had, and the next rebuild
//! leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pghaul::event::Event;
use pghaul::rebuild::{RebuildOptions, Rebuilt};
use pghaul::run::Stop;
use pghaul::{Error, ErrorKind};
use pghaul_testbed::{Database, Major};

use super::{
    MAJORS, all, assert_all_rebuilt, assert_sound, database, described, majors, named, rebuild,
    rebuild_watched,
};
use crate::harness::{OnEvent, terminate_on};

const TABLES: &str = "
    create table a (id int primary key, v text not null, w text);
    insert into a select g, 'v' || g, md5(g::text) from generate_series(1, 30000) g;
    alter table a add constraint a_v unique (v);
    create index a_w on a (w, v) where id % 2 = 0;
    create unique index a_both on a (id, v);
    create table b (id int primary key, a int references a);
    insert into b select g, g from generate_series(1, 30000) g;
    create index b_a on b (a);
    comment on index a_w is 'w';
    comment on constraint a_v on a is 'v';
";

/// Looks all the time whether the unique keys are enforced, until it is told to end; gives how often
/// it looked.
async fn guard(url: String, end: Arc<AtomicBool>) -> u64 {
    let (client, connection) = tokio_postgres_client(&url).await;
    let task = tokio::spawn(connection);
    let mut looks = 0;
    while !end.load(Ordering::SeqCst) {
        for key in ["insert into a values (-1, 'v7')", "insert into a values (7, 'new')"] {
            let error = client.batch_execute(key).await.unwrap_err();
            let code = error.code().map(|code| code.code().to_owned());
            assert_eq!(code.as_deref(), Some("23505"), "{key}: {error}");
        }
        looks += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(client);
    task.abort();
    looks
}

async fn tokio_postgres_client(
    url: &str,
) -> (tokio_postgres::Client, impl Future<Output = ()> + Send + 'static) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    (client, async move {
        let _ = connection.await;
    })
}

/// Rebuilds, and strikes at the n-th event.
async fn struck(
    database: &Database<'_>,
    at: u64,
    stop: Stop,
    strike: impl Fn() + Send + Sync + 'static,
) -> Result<Rebuilt, Error> {
    let events = AtomicU64::new(0);
    let observer = OnEvent(move |_: &Event<'_>| {
        if events.fetch_add(1, Ordering::SeqCst) + 1 == at {
            strike();
        }
    });
    rebuild_watched(database, all(), Arc::new(observer), stop).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_are_terminated() {
    for major in MAJORS {
        let database = database(major, "terminated");
        database.execute(TABLES).await.unwrap();
        let before = described(&database).await;
        let end = Arc::new(AtomicBool::new(false));
        let guard = tokio::spawn(guard(database.url(), Arc::clone(&end)));
        for at in [1, 3, 6, 9] {
            let (server, name) = (database.server(), database.name().to_owned());
            let (begun, ended) = std::sync::mpsc::channel::<()>();
            let struck = struck(&database, at, Stop::default(), move || {
                let (name, begun) = (name.clone(), begun.clone());
                std::thread::spawn(move || {
                    // In the middle of a statement, not before it.
                    std::thread::sleep(Duration::from_millis(10 * at));
                    terminate_on(server, &name, "pghaul rebuild%");
                    drop(begun);
                });
            })
            .await;
            // A strike that comes late is not to hit the next rebuild.
            assert_eq!(ended.recv(), Err(std::sync::mpsc::RecvError));
            // It goes on by itself.
            let rebuilt = struck.unwrap_or_else(|error| panic!("{major} {at}: {error:?}"));
            assert_all_rebuilt(&rebuilt, &format!("{major} {at}"));
            assert_eq!(described(&database).await, before, "{major} {at}");
        }
        end.store(true, Ordering::SeqCst);
        assert!(guard.await.unwrap() > 0);
        assert_sound(&database, &major.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_at_once_or_soon() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = database(major, "stopped");
        database.execute(TABLES).await.unwrap();
        let before = described(&database).await;
        for (at, now) in [(1, true), (2, false), (4, true), (5, false)] {
            let stop = Stop::default();
            let strike = {
                let stop = stop.clone();
                move || if now { stop.now.cancel() } else { stop.soon.cancel() }
            };
            let rebuilt = struck(&database, at, stop, strike).await.unwrap();
            assert!(rebuilt.stopped);
            let not_done = rebuilt.indexes.iter().filter(|one| one.end.name() == "not_done");
            assert!(not_done.count() > 0, "{major} {at} {now}");
            assert_eq!(described(&database).await, before, "{major} {at} {now}");
        }
        assert_all_rebuilt(&rebuild(&database, all()).await, &major.to_string());
    }
}

/// What a rebuild of anybody leaves behind when its server crashes.
#[tokio::test]
async fn leftovers_go_and_nothing_else_does() {
    let long = "i".repeat(63);
    let cut = format!("{}_ccnew1", "i".repeat(56));
    for major in MAJORS {
        let database = database(major, "leftovers");
        database.execute(TABLES).await.unwrap();
        let twin =
            database.value("select 'pghaul_twin_' || 'a_w'::regclass::oid").await.unwrap().unwrap();
        database
            .execute(format!(
                "create index \"{long}\" on b (a, id);
                 create index kept_ccnew on a (w);
                 create index other_ccold on b (id desc)"
            ))
            .await
            .unwrap();
        let before = described(&database).await;
        database
            .execute(format!(
                "create unique index a_v_ccnew on a (v);
                 create index a_w_ccold on a (w, v) where id % 2 = 0;
                 create index a_w_ccnew1 on a (w, v) where id % 2 = 0;
                 create index {twin} on a (w, v) where id % 2 = 0;
                 create index \"{cut}\" on b (a, id);
                 update pg_index set indisvalid = false where indexrelid in (
                    'a_v_ccnew'::regclass, 'a_w_ccold'::regclass, 'a_w_ccnew1'::regclass,
                    '\"{cut}\"'::regclass, 'other_ccold'::regclass);
                 update pg_index set indisready = false where indexrelid = 'a_w_ccold'::regclass"
            ))
            .await
            .unwrap();
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        // That one replaces nothing: it is an index of somebody's that is not valid.
        assert_eq!(rebuilt.indexes.len(), 1);
        assert_eq!(rebuilt.indexes[0].index.name.name.as_str(), "other_ccold");
        assert_eq!(rebuilt.dropped.len(), 5, "{major} {:?}", rebuilt.dropped);
        assert_eq!(described(&database).await, before, "{major}");
    }
}

#[tokio::test]
async fn two_at_once() {
    let database = database(Major::V14, "two");
    database.execute(TABLES).await.unwrap();
    let holder = database.connect().await.unwrap();
    holder.execute("begin isolation level repeatable read; select 1 from b").await.unwrap();
    let url = database.url();
    let first = tokio::spawn(async move { super::rebuild_as(&url, named(&["a_v"])).await });
    let at_work = "select count(*) from pg_locks where locktype = 'advisory' \
                   and database = (select oid from pg_database where datname = current_database())";
    while database.value(at_work).await.unwrap().as_deref() == Some("0") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let error = super::rebuild_as(&database.url(), named(&["a_w"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState);
    holder.execute("commit").await.unwrap();
    assert_all_rebuilt(&first.await.unwrap().unwrap(), "14");
}

/// Writers go on, and every row of theirs is in the new indexes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn others_write_meanwhile() {
    for major in MAJORS {
        let database = database(major, "writers");
        database.execute(TABLES).await.unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (1..=3)
            .map(|writer| {
                let (url, end) = (database.url(), Arc::clone(&end));
                tokio::spawn(async move {
                    let (client, connection) = tokio_postgres_client(&url).await;
                    let task = tokio::spawn(connection);
                    let mut rows = 0;
                    while !end.load(Ordering::SeqCst) {
                        let id = writer * 1_000_000 + rows;
                        client
                            .batch_execute(&format!(
                                "insert into a values ({id}, 'n{id}', md5('{id}')); \
                                 update a set w = 'x{id}' where id = {}",
                                rows % 30000 + 1
                            ))
                            .await
                            .unwrap();
                        rows += 1;
                    }
                    task.abort();
                    rows
                })
            })
            .collect();
        let rebuilt = rebuild(&database, all()).await;
        end.store(true, Ordering::SeqCst);
        let mut rows = 0;
        for writer in writers {
            rows += writer.await.unwrap();
        }
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert!(rows > 0);
        assert_sound(&database, &major.to_string()).await;
        let session = database.connect().await.unwrap();
        session.execute("set enable_seqscan = off; set enable_bitmapscan = off").await.unwrap();
        let count = session.value("select count(*) from a where v >= ''").await.unwrap();
        assert_eq!(count, Some((30000 + rows).to_string()), "{major}");
    }
}
