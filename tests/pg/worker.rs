//! Several processes on one run: each piece once, whoever leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Stop, options::Start, worker};
use pghaul::{Error, ErrorKind};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major};

use crate::harness::{OnEvent, clone, database, fill, options, prepare, recount};

fn slow() -> CloneOptions {
    CloneOptions {
        jobs: std::num::NonZeroUsize::MIN,
        index_jobs: std::num::NonZeroUsize::MIN,
        max_rate: std::num::NonZeroU64::new(400_000),
        part_size: Some(64 << 10),
        ..options()
    }
}

async fn join(source: &str, target: &str, stop: Stop) -> Result<pghaul::run::Outcome, Error> {
    let source = Endpoint::parse(Side::Source, source)?;
    let target = Endpoint::parse(Side::Target, target)?;
    let company: (Arc<dyn pghaul::event::Observer>, _, _) =
        (Arc::new(()), Arc::new(Counters::default()), stop);
    worker::join(source, target, slow(), company).await
}

async fn until_there_is_state(target: &Database<'_>) {
    for _ in 0..600 {
        let there = target.value("select to_regclass('pghaul.run')::text").await.unwrap();
        if there.is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no run after 30 s");
}

async fn assert_each_piece_once(target: &Database<'_>, workers: &str) {
    let rows = target
        .query_text(
            "select (select count(distinct worker) from pghaul.receipt), \
             (select count(*) from (select part from pghaul.receipt where next_block is null \
               group by part having count(*) <> 1) x), \
             (select count(*) from pghaul.part p where not exists (select from pghaul.receipt r \
               where r.part = p.id and r.next_block is null)), \
             (select count(*) from pg_index where not indisvalid)",
        )
        .await
        .unwrap();
    let found: Vec<&str> = rows[0].iter().map(|field| field.as_deref().unwrap()).collect();
    assert_eq!(found, [workers, "0", "0", "0"]);
}

async fn three_share_a_run(from: Major, version: Version) {
    let (source, target) = (database(from, "share_src"), database(Major::V18, "share_dst"));
    mastodon::create(&source, Shape { version, statuses: 1500, seed: 5 }).await.unwrap();
    let (urls, leaves) = ((source.url(), target.url()), Stop::default());
    let begun = prepare(&urls.0, &urls.1, slow()).await.unwrap();
    let run = tokio::spawn(begun.run(Arc::new(()), Arc::new(Counters::default()), Stop::default()));
    until_there_is_state(&target).await;
    let mut workers = Vec::new();
    for stop in [Stop::default(), leaves.clone()] {
        let (source, target) = urls.clone();
        workers.push(tokio::spawn(async move { join(&source, &target, stop).await }));
    }
    // The second goes without a word once it has done something.
    for _ in 0..600 {
        let count =
            target.value("select count(distinct worker) from pghaul.receipt").await.unwrap();
        if count.as_deref() == Some("3") || run.is_finished() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    leaves.now.cancel();
    let outcome = run.await.unwrap().unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    for worker in workers {
        worker.await.unwrap().unwrap();
    }
    assert_each_piece_once(&target, "3").await;
    let before = mastodon::digest(&source.connect().await.unwrap()).await.unwrap();
    let after = mastodon::digest(&target.connect().await.unwrap()).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_share_a_run_and_one_leaves() {
    three_share_a_run(Major::V14, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_share_a_run_from_9_6() {
    three_share_a_run(Major::V9_6, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outlives_the_process_that_began_and_hands_the_snapshot_back() {
    let (source, target) = (database(Major::V14, "heir_src"), database(Major::V18, "heir_dst"));
    fill(&source).await;
    let before = recount(&source).await;
    let (urls, stop, dies) = ((source.url(), target.url()), Stop::default(), Stop::default());
    let rate = CloneOptions { max_rate: std::num::NonZeroU64::new(150_000), ..slow() };
    let begun = prepare(&urls.0, &urls.1, rate).await.unwrap();
    let run = tokio::spawn(begun.run(Arc::new(()), Arc::new(Counters::default()), dies.clone()));
    until_there_is_state(&target).await;
    let work = {
        let ((source, target), stop) = (urls.clone(), stop.clone());
        tokio::spawn(async move { join(&source, &target, stop).await })
    };
    for _ in 0..600 {
        let count =
            target.value("select count(distinct worker) from pghaul.receipt").await.unwrap();
        if count.as_deref() == Some("2") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let name = || target.value("select snapshot from pghaul.run");
    let first = name().await.unwrap();
    dies.now.cancel();
    run.await.unwrap().unwrap();
    // Not of the snapshot, which the worker has.
    source.execute("insert into t1 values (9000, 'late', 'late')").await.unwrap();
    for _ in 0..600 {
        if name().await.unwrap() != first || work.is_finished() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_ne!(name().await.unwrap(), first, "nobody says where the snapshot is");
    let options = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&urls.0, &urls.1, options).await.unwrap();
    stop.soon.cancel();
    work.await.unwrap().unwrap();
    assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "snapshot"));
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(before, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_needs_a_run_that_somebody_began() {
    let (source, target) = (database(Major::V14, "none_src"), database(Major::V18, "none_dst"));
    fill(&source).await;
    let urls = (source.url(), target.url());
    let none = join(&urls.0, &urls.1, Stop::default()).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::RunState);
    clone(&urls.0, &urls.1, options()).await.unwrap();
    let over = join(&urls.0, &urls.1, Stop::default()).await.unwrap_err();
    assert_eq!(over.kind(), ErrorKind::RunState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_sessions_die_and_it_goes_on() {
    let (source, target) = (database(Major::V14, "lame_src"), database(Major::V18, "lame_dst"));
    fill(&source).await;
    let urls = (source.url(), target.url());
    let struck = Arc::new(AtomicBool::new(false));
    let (once, server, name) = (Arc::clone(&struck), target.server(), target.name().to_owned());
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::PieceCommitted { .. } = event
            && !once.swap(true, Ordering::SeqCst)
        {
            crate::harness::terminate_on(server, &name, "pghaul%");
        }
    });
    let begun = prepare(&urls.0, &urls.1, slow()).await.unwrap();
    let run = begun.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    let run = tokio::spawn(run);
    until_there_is_state(&target).await;
    let worker = join(&urls.0, &urls.1, Stop::default());
    let (outcome, worked) = tokio::join!(run, worker);
    let outcome = outcome.unwrap().unwrap();
    assert!(struck.load(Ordering::SeqCst));
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    // Its end came with the run's, or it found the run complete when it wanted to come back.
    assert!(worked.as_ref().map_or_else(|error| error.kind() == ErrorKind::RunState, |_| true));
    assert_eq!(recount(&source).await, recount(&target).await);
}
