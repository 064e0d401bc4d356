//! What was found stands in the result of whoever finishes the run, however often it was interrupted.

use std::sync::{Arc, Mutex};

use pghaul::Severity;
use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Outcome, Stop, options::Start};
use pghaul_testbed::proxy::Commit;
use pghaul_testbed::servers::CreateOptions;
use pghaul_testbed::{Database, Major, Proxy, Role, Server};

use crate::harness::{
    How, OnEvent, clone, clone_until, database, fill, options, prepare, until_gone,
};

fn resuming() -> CloneOptions {
    CloneOptions { start: Start::Resume, ..options() }
}

/// The objects of the findings of a kind.
fn about(outcome: &Outcome, code: &str) -> Vec<String> {
    let found = outcome.findings.iter().filter(|finding| finding.code == code);
    found.map(|finding| finding.object.clone().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_before_a_run_is_in_the_result_of_its_last_resume() {
    let (source, target) = (database(Major::V14, "known_src"), database(Major::V18, "known_dst"));
    fill(&source).await;
    for (events, how) in [(1, How::Now), (30, How::Now), (60, How::Soon)] {
        let start = if events == 1 { Start::New } else { Start::Resume };
        let options = CloneOptions { start, ..options() };
        let stopped =
            clone_until(&source.url(), &target.url(), options, (events, how)).await.unwrap();
        assert_eq!(stopped.ending, Ending::Stopped);
        assert_eq!(about(&stopped, "public_may_create"), [""], "after {events}");
        let stored = "select string_agg(code, ' ') from pghaul.finding where known_before";
        let stored = target.value(stored).await.unwrap().unwrap();
        assert!(stored.contains("public_may_create"), "{stored}");
    }
    for _ in 0..2 {
        let outcome = clone(&source.url(), &target.url(), resuming()).await.unwrap();
        assert_eq!(outcome.ending, Ending::Complete);
        assert_eq!(about(&outcome, "public_may_create"), [""]);
        assert!(outcome.findings.iter().all(|finding| finding.severity == Severity::Note));
    }
}

/// What the target's encoding cannot hold is stored all the same, and what it can hold as it is.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_target_cannot_write_are_stored_in_ascii() {
    let source = database(Major::V14, "euro_src");
    source.execute("create table t (id int primary key)").await.unwrap();
    let guest = Role::create(source.server(), "gast\u{20ac}", "").unwrap();
    let sql =
        format!("alter role \"{}\" in database {} set work_mem = '1MB'", guest.name, source.name());
    source.execute(sql).await.unwrap();
    let latin = CreateOptions { encoding: Some("LATIN1".to_owned()), ..CreateOptions::default() };
    let target = Database::create(Server::shared(Major::V18).unwrap(), "euro_dst", &latin).unwrap();
    let first = clone(&source.url(), &target.url(), options()).await.unwrap();
    let named = about(&first, "settings_not_carried").join(" ");
    assert!(named.contains('\u{20ac}'), "{named}");
    let again = clone(&source.url(), &target.url(), resuming()).await.unwrap();
    assert_eq!(about(&again, "settings_not_carried").join(" "), named.replace('\u{20ac}', "?"));
    assert_eq!(about(&again, "public_may_create"), [""]);
}

/// The process that goes on under a snapshot has not seen what was written before it came.
async fn writes_before_a_resume(major: Major) {
    let (source, target) = (database(major, "wrote_src"), database(Major::V18, "wrote_dst"));
    fill(&source).await;
    let held = source.connect().await.unwrap();
    held.execute("begin isolation level repeatable read").await.unwrap();
    let id = held.value("select pg_export_snapshot()").await.unwrap();
    let of = |start| CloneOptions { snapshot: id.clone(), start, ..options() };
    let end = (8, How::Now);
    let stopped = clone_until(&source.url(), &target.url(), of(Start::New), end).await.unwrap();
    assert_eq!(stopped.ending, Ending::Stopped);
    source.execute("update t5 set v = 'late' where id = 1").await.unwrap();
    // As many rows later as before.
    let outcome = clone(&source.url(), &target.url(), of(Start::Resume)).await.unwrap();
    assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "snapshot"));
    assert_eq!(about(&outcome, "written_meanwhile"), ["public.t5"], "{major}");
}

/// Under another moment, what was written before that one is in the copy.
async fn writes_before_another_moment(major: Major) {
    let (source, target) = (database(major, "moved_src"), database(Major::V18, "moved_dst"));
    fill(&source).await;
    let slow = CloneOptions { jobs: std::num::NonZeroUsize::MIN, ..options() };
    let stopped = clone_until(&source.url(), &target.url(), slow, (2, How::Now)).await.unwrap();
    assert_eq!(stopped.ending, Ending::Stopped);
    until_gone(&[&source, &target]).await;
    assert_eq!(target.value("select count(*) from pghaul.receipt").await.unwrap().unwrap(), "0");
    source.execute("update t5 set v = 'late' where id = 1").await.unwrap();
    let stopped =
        clone_until(&source.url(), &target.url(), resuming(), (40, How::Soon)).await.unwrap();
    assert_eq!(stopped.ending, Ending::Stopped);
    let outcome = clone(&source.url(), &target.url(), resuming()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert_eq!(about(&outcome, "written_meanwhile"), [""; 0], "{major}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_were_written_to_before_a_resume_are_named() {
    tokio::join!(
        writes_before_a_resume(Major::V9_6),
        writes_before_a_resume(Major::V18),
        writes_before_another_moment(Major::V14),
    );
}

/// Killed between a batch of large objects and reading it back, which are two transactions: the resume
/// reads it back.
#[tokio::test(flavor = "multi_thread")]
async fn large_objects_that_changed_before_they_were_read_back_are_found() {
    for change in ["select lo_put(4711, 0, 'X')", "select lo_unlink(4711)"] {
        let (source, target) = (database(Major::V14, "lo_src"), database(Major::V18, "lo_dst"));
        source.execute("select lo_from_bytea(4711, 'abc'), lo_from_bytea(4712, '')").await.unwrap();
        let proxy = Arc::new(Proxy::to(target.server()).unwrap());
        let network = Mutex::new(Some(Arc::clone(&proxy)));
        let observer = OnEvent(move |event: &Event<'_>| {
            if let Event::Planned { .. } = event
                && let Some(network) = network.lock().unwrap().take()
            {
                network.on_commit(1, Commit::LoseAnswer);
            }
        });
        let once = CloneOptions { attempts: 1, ..options() };
        let through = proxy.url(target.name());
        let prepared = prepare(&source.url(), &through, once).await.unwrap();
        let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
        run.await.unwrap_err();
        let receipts = "select string_agg(id, ',' order by id) from pghaul.step \
                        where id like '%large objects%'";
        assert_eq!(target.value(receipts).await.unwrap().as_deref(), Some("large objects 0"));
        target.execute(change).await.unwrap();
        // It stays so until somebody mends it.
        for _ in 0..2 {
            let outcome = clone(&source.url(), &target.url(), resuming()).await.unwrap();
            let found: Vec<_> =
                outcome.findings.iter().filter(|one| one.severity == Severity::Warning).collect();
            assert_eq!(found.len(), 1, "{change}: {found:?}");
            assert_eq!(found[0].code, "large_objects_differ", "{change}");
        }
        let phase = target.value("select phase from pghaul.run").await.unwrap();
        assert_eq!(phase.as_deref(), Some("waiting for a repair"), "{change}");
        let back = "select lo_unlink(oid) from pg_largeobject_metadata where oid = 4711; \
                    select lo_from_bytea(4711, 'abc')";
        target.execute(back).await.unwrap();
        let outcome = clone(&source.url(), &target.url(), resuming()).await.unwrap();
        assert!(about(&outcome, "large_objects_differ").is_empty(), "{:?}", outcome.findings);
        let phase = target.value("select phase from pghaul.run").await.unwrap();
        assert_eq!(phase.as_deref(), Some("complete"), "{change}");
    }
}
