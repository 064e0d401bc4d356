//! Stopped anywhere, a run goes on: every row once, nothing that has a receipt copied again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pghaul::ErrorKind;
use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Stop, options::Start};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major, clients};

use crate::harness::{
    How, OnEvent, clone, clone_until, database, fill, one_by_one, options, prepare, recount,
    until_gone,
};

/// Parts small enough that one table has several.
fn small_parts() -> CloneOptions {
    CloneOptions { part_size: Some(128 << 10), ..options() }
}

async fn receipts(target: &Database<'_>) -> u64 {
    let count = target.value("select count(*) from pghaul.receipt").await.unwrap();
    count.unwrap().parse().unwrap()
}

async fn stopped_and_resumed(from: Major, to: Major, how: How) {
    let source = database(from, "resume_src");
    let shape = Shape { version: Version::V3_5_3, statuses: 1500, seed: 3 };
    mastodon::create(&source, shape).await.unwrap();
    let before = mastodon::digest(&source.connect().await.unwrap()).await.unwrap();
    let mut made = None;
    for events in [0, 40, 90, 170, 260, 400, 520] {
        let target = database(to, "resume_dst");
        let stopped =
            clone_until(&source.url(), &target.url(), small_parts(), (events, how)).await.unwrap();
        assert_eq!(stopped.ending, Ending::Stopped, "after {events} events");
        let kept = receipts(&target).await;
        let options = CloneOptions { start: Start::Resume, ..options() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        assert_eq!(outcome.ending, Ending::Complete);
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        let after = mastodon::digest(&target.connect().await.unwrap()).await.unwrap();
        assert_eq!(before, after, "after {events} events");
        // The result tells of the whole run, whoever did what.
        let of_all = (outcome.indexes, outcome.constraints);
        assert!(of_all.0 > 100 && of_all.1 > 100, "{of_all:?}");
        assert_eq!(*made.get_or_insert(of_all), of_all, "after {events} events");
        let parts = target.value("select count(*) from pghaul.part").await.unwrap();
        let parts: u64 = parts.unwrap().parse().unwrap();
        assert!(kept <= parts && receipts(&target).await >= parts);
        let invalid =
            target.value("select count(*) from pg_index where not indisvalid").await.unwrap();
        assert_eq!(invalid.as_deref(), Some("0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_once_from_9_6() {
    stopped_and_resumed(Major::V9_6, Major::V18, How::Now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_soon_from_14() {
    stopped_and_resumed(Major::V14, Major::V18, How::Soon).await;
}

/// A run that is stopped at once while a session that may write receipts of it, a worker's or one that
/// died without the server's knowledge, lives on. Gives that session.
async fn stopped_beside_a_writer(
    source: &Database<'_>,
    target: &Database<'static>,
) -> pghaul_testbed::servers::Session {
    let (server, name, stop) = (target.server(), target.name().to_owned(), Stop::default());
    let writer = Arc::new(Mutex::new(None));
    let (kept, ends) = (Arc::clone(&writer), stop.clone());
    let observer = OnEvent(move |event: &Event<'_>| {
        let mut kept = kept.lock().unwrap();
        if matches!(event, Event::PieceCommitted { .. }) && kept.is_none() {
            let session = server.connect(&name).wait().unwrap();
            // What all sessions that write receipts of the run share.
            let share = "select pg_advisory_lock_shared((classid::int8 << 32) | objid::int8) \
                         from pg_locks where locktype = 'advisory' and mode = 'ShareLock' \
                         and database = (select oid from pg_database \
                                         where datname = current_database()) limit 1";
            assert_eq!(session.query_text(share).wait().unwrap().len(), 1, "nobody shares a lock");
            *kept = Some(session);
            ends.now.cancel();
        }
    });
    let prepared = prepare(&source.url(), &target.url(), one_by_one()).await.unwrap();
    let outcome = prepared.run(Arc::new(observer), Arc::new(Counters::default()), stop).await;
    assert_eq!(outcome.unwrap().ending, Ending::Stopped);
    until_gone(&[source]).await;
    let writer = writer.lock().unwrap().take();
    writer.unwrap()
}

async fn waits_for_a_writer(leaves: bool) {
    let (source, target) = (database(Major::V14, "late_src"), database(Major::V18, "late_dst"));
    fill(&source).await;
    let writer = stopped_beside_a_writer(&source, &target).await;
    let options = CloneOptions { start: Start::Resume, ..options() };
    let urls = (source.url(), target.url());
    let resume = tokio::spawn(async move { clone(&urls.0, &urls.1, options).await });
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(!resume.is_finished(), "it goes on beside somebody who may write receipts");
    if leaves {
        drop(writer);
        let outcome = resume.await.unwrap().unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        assert_eq!(recount(&source).await, recount(&target).await);
    } else {
        let before = receipts(&target).await;
        let refused = resume.await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::RunState, "{refused:?}");
        assert!(format!("{refused:?}").contains("workers are still at work"), "{refused:?}");
        assert_eq!(receipts(&target).await, before);
        drop(writer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_another_snapshot_it_waits_for_who_may_write_under_the_old_one() {
    tokio::join!(waits_for_a_writer(true), waits_for_a_writer(false));
}

/// A `pg_dump` that says it is of another major version.
fn called_17(folder: &std::path::Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let (path, real) = (folder.join("pg_dump"), clients().unwrap().pg_dump());
    let says = "case $1 in --version) echo 'pg_dump (PostgreSQL) 17.4'; exit;; esac";
    let script = format!("#!/bin/sh\n{says}\nexec '{}' \"$@\"\n", real.display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Each major version words a schema in its own way: what another one wrote says nothing about a change.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_in_the_words_of_another_pg_dump_is_not_called_changed() {
    let (source, target) = (database(Major::V14, "words_src"), database(Major::V18, "words_dst"));
    fill(&source).await;
    let folder = tempfile::tempdir().unwrap();
    let of_17 = CloneOptions { pg_dump: Some(called_17(folder.path())), ..one_by_one() };
    clone_until(&source.url(), &target.url(), of_17.clone(), (20, How::Now)).await.unwrap();
    until_gone(&[&source]).await;
    // Both write the same here, so something has to be another for it to be worded otherwise.
    source.execute("comment on table t1 is 'changed'").await.unwrap();
    let resume = |options| CloneOptions { start: Start::Resume, ..options };
    let refused = clone(&source.url(), &target.url(), resume(options())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RunState, "{refused:?}");
    assert!(refused.to_string().contains("pg_dump 17 has read it"), "{refused}");
    assert!(refused.hint().unwrap().contains("a pg_dump of version 17"), "{refused:?}");
    let refused = clone(&source.url(), &target.url(), resume(of_17.clone())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SnapshotGone, "{refused:?}");
    assert!(refused.to_string().contains("the schema was changed"), "{refused}");
    source.execute("comment on table t1 is null").await.unwrap();
    let outcome = clone(&source.url(), &target.url(), resume(options())).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
}
