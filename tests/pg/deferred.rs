//! What is left for later is remembered with the run, kept from workers, and done by a resume.

use std::sync::Arc;

use pghaul::ErrorKind;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::run::options::{Deferred, Start};
use pghaul::run::{CloneOptions, Ending, Stop, Unfinished, finish, worker};
use pghaul_testbed::{Database, Major};

use crate::harness::{How, clone, clone_until, database, options, prepare};

const SOURCE: &str = "
create table parent (id int primary key);
create table child (id int primary key, parent int references parent);
insert into parent select generate_series(1, 100);
insert into child select g, g from generate_series(1, 100) g;
create materialized view sums as select sum(id) from child;
";

async fn left(target: &Database<'_>) -> (String, String) {
    let sql = "select (select relispopulated::text from pg_class where relname = 'sums'), \
               (select convalidated::text from pg_constraint \
               where contype = 'f' and connamespace = 'public'::regnamespace)";
    let mut row = target.query_text(sql).await.unwrap().remove(0).into_iter().flatten();
    (row.next().unwrap(), row.next().unwrap())
}

fn later(start: Start) -> CloneOptions {
    CloneOptions { deferred: vec![Deferred::Matviews, Deferred::Validation], start, ..options() }
}

async fn deferred(from: Major) {
    let (source, target) = (database(from, "later_src"), database(Major::V18, "later_dst"));
    source.execute(SOURCE).await.unwrap();
    let (from, to) = (source.url(), target.url());
    clone_until(&from, &to, later(Start::New), (6, How::Soon)).await.unwrap();
    let outcome = clone(&from, &to, later(Start::Resume)).await.unwrap();
    assert_eq!((outcome.ending, outcome.has_warnings()), (Ending::Complete, false));
    let mut codes: Vec<_> = outcome.findings.iter().map(|finding| finding.code).collect();
    codes.retain(|code| code.ends_with("_deferred"));
    codes.sort_unstable();
    assert_eq!(codes, ["matview_deferred", "validation_deferred"]);
    assert_eq!(left(&target).await, ("false".to_owned(), "false".to_owned()));

    let end = Endpoint::parse(Side::Target, &to).unwrap();
    let refused = finish(&end, Unfinished::Refuse).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RunState);
    let stored = target.value("select options from pghaul.run").await.unwrap().unwrap();
    assert!(stored.contains(r#""deferred":["matviews","validation"]"#), "{stored}");

    let resume = CloneOptions { start: Start::Resume, ..options() };
    clone(&from, &to, resume).await.unwrap();
    assert_eq!(left(&target).await, ("true".to_owned(), "true".to_owned()));
    finish(&end, Unfinished::Refuse).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deferred_is_done_by_a_later_resume() {
    deferred(Major::V9_6).await;
    deferred(Major::V18).await;
}

/// Once all rows are there the source may be in use again: what has come to it since is not asked for.
#[tokio::test(flavor = "multi_thread")]
async fn large_objects_that_came_since_are_left_alone() {
    let (source, target) = (database(Major::V14, "since_src"), database(Major::V18, "since_dst"));
    source.execute(SOURCE).await.unwrap();
    source.execute("select lo_create(g) from generate_series(70001, 70003) g").await.unwrap();
    let (from, to) = (source.url(), target.url());
    clone(&from, &to, later(Start::New)).await.unwrap();
    // Enough of them for more batches than there were.
    source.execute("select lo_create(g) from generate_series(80001, 80250) g").await.unwrap();
    let resume = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&from, &to, resume).await.unwrap();
    assert_eq!((outcome.ending, outcome.has_warnings()), (Ending::Complete, false));
    assert_eq!(left(&target).await, ("true".to_owned(), "true".to_owned()));
    let there = "select count(*) from pg_largeobject_metadata";
    assert_eq!(target.value(there).await.unwrap().as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_alone_what_the_run_defers() {
    let (source, target) = (database(Major::V14, "left_src"), database(Major::V18, "left_dst"));
    source.execute(SOURCE).await.unwrap();
    source
        .execute("create table slow as select g id, md5(g::text) from generate_series(1, 20000) g")
        .await
        .unwrap();
    let (from, to) = (source.url(), target.url());
    let slow = CloneOptions {
        max_rate: std::num::NonZeroU64::new(100_000),
        part_size: Some(64 << 10),
        ..later(Start::New)
    };
    let begun = prepare(&from, &to, slow).await.unwrap();
    let run = begun.run(Arc::new(()), Arc::new(Counters::default()), Stop::default());
    let run = tokio::spawn(run);
    let there = "select to_regclass('pghaul.run')::text";
    while target.value(there).await.unwrap().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let ends = (
        Endpoint::parse(Side::Source, &from).unwrap(),
        Endpoint::parse(Side::Target, &to).unwrap(),
    );
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    // Its own options defer nothing.
    worker::join(ends.0, ends.1, options(), company).await.unwrap();
    run.await.unwrap().unwrap();
    let workers = "select count(distinct worker) from pghaul.receipt";
    assert_eq!(target.value(workers).await.unwrap().as_deref(), Some("2"));
    assert_eq!(left(&target).await, ("false".to_owned(), "false".to_owned()));
    let resume = CloneOptions { start: Start::Resume, ..options() };
    clone(&from, &to, resume).await.unwrap();
    assert_eq!(left(&target).await, ("true".to_owned(), "true".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_is_only_prepared_changes_nothing() {
    let (source, target) = (database(Major::V14, "only_src"), database(Major::V18, "only_dst"));
    source.execute(SOURCE).await.unwrap();
    clone(&source.url(), &target.url(), options()).await.unwrap();
    let state = "select (select count(*) from child) || ' ' || (select id from pghaul.run)";
    let before = target.value(state).await.unwrap();
    let again = CloneOptions { start: Start::Restart, ..options() };
    drop(prepare(&source.url(), &target.url(), again.clone()).await.unwrap());
    assert_eq!(target.value(state).await.unwrap(), before);
    clone(&source.url(), &target.url(), again).await.unwrap();
    assert_ne!(target.value(state).await.unwrap(), before);
}
