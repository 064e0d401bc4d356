//! Reading finished pieces again on the source: it can be stopped, and it survives its sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pghaul::event::{Counters, Event};
use pghaul::run::options::{Start, Verify};
use pghaul::run::{CloneOptions, Ending, Stop};
use pghaul_testbed::{Database, Major, Options, Server};

use crate::harness::{
    How, OnEvent, clone, clone_until, database, fill, one_by_one, options, prepare, recount,
    terminate_on, until_gone,
};

/// A run of which most tables have arrived, whose snapshot is gone, while somebody wrote.
async fn begun<'s>(source: &Database<'_>, more: &str, to: &'s Server) -> Database<'s> {
    fill(source).await;
    source.execute(more).await.unwrap();
    let target = Database::new(to, "again_dst").unwrap();
    let one_job = CloneOptions { jobs: std::num::NonZeroUsize::MIN, ..options() };
    clone_until(&source.url(), &target.url(), one_job, (12, How::Now)).await.unwrap();
    until_gone(&[source, &target]).await;
    source.value("select txid_current()").await.unwrap();
    target
}

const RECEIPTS: &str = "select string_agg(part || ' ' || committed, ',' order by part, committed) \
                        from pghaul.receipt";

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_pieces_are_read_again_nothing_changes() {
    for (from, how) in [(Major::V9_6, How::Soon), (Major::V14, How::Now)] {
        let source = database(from, "again_src");
        let big = "create table big (id int8, v text);
                   insert into big select g, repeat(md5(g::text), 30) from generate_series(1, 4000) g";
        let target = begun(&source, big, Server::shared(Major::V18).unwrap()).await;
        let state = "select row(moment, snapshot, consistency)::text from pghaul.run";
        let before =
            (target.value(RECEIPTS).await.unwrap().unwrap(), target.value(state).await.unwrap());
        let (stop, counters) = (Stop::default(), Arc::new(Counters::default()));
        let resume = CloneOptions {
            start: Start::Resume,
            // Long enough to be met in the middle, and a rate is a rate for this reading too.
            max_rate: std::num::NonZeroU64::new(400_000),
            jobs: std::num::NonZeroUsize::MIN,
            ..options()
        };
        let prepared = prepare(&source.url(), &target.url(), resume.clone()).await.unwrap();
        let run = tokio::spawn(prepared.run(Arc::new(()), Arc::clone(&counters), stop.clone()));
        let read = || counters.bytes_read_again.load(Ordering::Relaxed);
        while read() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let begun = std::time::Instant::now();
        let first = read();
        while read() < first + 600_000 {
            assert!(!run.is_finished(), "too fast to be stopped");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // At 400,000 bytes a second, and what the reader may be ahead: 20 ms, and what it gets at once.
        let again = read() - first;
        let allowed = begun.elapsed().as_millis() * 400 + 8_000 + 2 * (80 << 10);
        assert!(u128::from(again) <= allowed, "{again} of {allowed}");
        match how {
            How::Soon => stop.soon.cancel(),
            How::Now => stop.now.cancel(),
        }
        let outcome = run.await.unwrap().unwrap();
        assert_eq!(outcome.ending, Ending::Stopped, "{how:?}");
        let after =
            (target.value(RECEIPTS).await.unwrap().unwrap(), target.value(state).await.unwrap());
        assert_eq!(before, after, "{how:?}");

        let resume = CloneOptions { max_rate: None, ..resume };
        let outcome = clone(&source.url(), &target.url(), resume).await.unwrap();
        assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "reverified"));
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        assert_eq!(recount(&source).await, recount(&target).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_dies_costs_what_it_was_reading() {
    let server = Server::start(
        Major::V14,
        &Options::new().set("autovacuum", "off").set("log_statement", "all"),
    )
    .unwrap();
    let source = Database::new(&server, "again_src").unwrap();
    // More than what fits between the two, so that a session is there while it is read.
    let big = "create table big (id int8, v text);
               insert into big select g, repeat(md5(g::text), 30) from generate_series(1, 30000) g";
    let target = begun(&source, big, Server::shared(Major::V18).unwrap()).await;
    let kept: usize = target
        .value("select count(*) from pghaul.receipt")
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    let logged = server.log().len();
    let (counters, retried) = (Arc::new(Counters::default()), Arc::new(AtomicU64::new(0)));
    let (retries, pieces) = (Arc::clone(&retried), Arc::new(AtomicU64::new(0)));
    let copied = Arc::clone(&pieces);
    let observer = OnEvent(move |event: &Event<'_>| match event {
        Event::Retrying { .. } => drop(retries.fetch_add(1, Ordering::SeqCst)),
        Event::PieceCommitted { .. } => drop(copied.fetch_add(1, Ordering::SeqCst)),
        _ => {}
    });
    let resume = CloneOptions {
        start: Start::Resume,
        jobs: std::num::NonZeroUsize::MIN,
        max_rate: std::num::NonZeroU64::new(8_000_000),
        ..options()
    };
    let prepared = prepare(&source.url(), &target.url(), resume).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::clone(&counters), Stop::default());
    let run = tokio::spawn(run);
    for struck in 1..=2 {
        let before = counters.bytes_read_again.load(Ordering::Relaxed);
        while counters.bytes_read_again.load(Ordering::Relaxed) < before + 500_000 {
            assert!(!run.is_finished());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(terminate_on(&server, source.name(), "pghaul% reverify%"), 1);
        while retried.load(Ordering::SeqCst) < struck {
            assert!(!run.is_finished());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    let outcome = run.await.unwrap().unwrap();
    assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "reverified"));
    assert_eq!(retried.load(Ordering::SeqCst), 2);
    let reads = server.log()[logged..]
        .lines()
        .filter(|line| line.contains(": LOG:  ") && line.contains("copy (select "))
        .count();
    let copied = usize::try_from(pieces.load(Ordering::SeqCst)).unwrap();
    assert!(kept >= 3, "{kept}");
    assert_eq!(reads, kept + 2 + copied, "{kept} pieces were there, {copied} were not");
    assert_eq!(recount(&source).await, recount(&target).await);
}

/// Less is proven of the copy, not of the moment: what was read has digests all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_compares_less_knows_its_source_again() {
    for (from, verify) in [(Major::V9_6, Verify::None), (Major::V18, Verify::Rows)] {
        let (source, target) = (database(from, "less_src"), database(Major::V18, "less_dst"));
        fill(&source).await;
        let (stop, pieces) = (Stop::default(), AtomicU64::new(0));
        let asked = stop.clone();
        let observer = OnEvent(move |event: &Event<'_>| {
            if let Event::PieceCommitted { .. } = event
                && pieces.fetch_add(1, Ordering::SeqCst) == 2
            {
                asked.now.cancel();
            }
        });
        let less = CloneOptions { verify, ..one_by_one() };
        let prepared = prepare(&source.url(), &target.url(), less).await.unwrap();
        let stopped = prepared.run(Arc::new(observer), Arc::new(Counters::default()), stop).await;
        assert_eq!(stopped.unwrap().ending, Ending::Stopped);
        let kept = target.value("select count(*) from pghaul.receipt").await.unwrap();
        assert_ne!(kept.as_deref(), Some("0"), "nothing is there to be read again");
        until_gone(&[&source]).await;
        source.value("select txid_current()").await.unwrap();
        let resume = CloneOptions { start: Start::Resume, ..options() };
        let outcome = clone(&source.url(), &target.url(), resume.clone()).await.unwrap();
        assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "reverified"));
        assert_eq!(recount(&source).await, recount(&target).await);
    }
}
