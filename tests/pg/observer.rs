//! What an observer is told: each durable fact once, in the order that is promised, whatever dies
//! meanwhile and whoever did the work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Stop, options::Start, worker};
use pghaul_testbed::{Database, Major};

use crate::harness::{
    How, OnEvent, TABLES, clone_until, database, fill, options, prepare, terminate_on, until_gone,
};

/// Facts as text, in the order in which they were told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn hear(&self, event: &Event<'_>) {
        let fact = match event {
            Event::PieceCommitted { table, rows, .. } => format!("1 piece {table} {rows}"),
            Event::TableCopied { table, rows } => format!("2 copied {table} {rows}"),
            Event::TableVerified { table, equal: true } => format!("3 verified {table}"),
            Event::StepCommitted { kind, object, .. } => format!("step {kind} {object}"),
            _ => return,
        };
        self.0.lock().unwrap().push(fact);
    }

    fn of(&self, what: &str) -> Vec<String> {
        let mut facts = self.0.lock().unwrap().clone();
        facts.retain(|fact| fact.split(' ').any(|word| word == what));
        facts
    }

    fn steps(&self) -> Vec<String> {
        let mut steps = self.of("step");
        steps.sort();
        steps
    }

    /// Of each table all pieces, then that it is copied, then that it is verified: once.
    fn assert_whole(&self) {
        let mut tables: BTreeMap<String, (u64, Vec<String>)> = BTreeMap::new();
        for fact in self.0.lock().unwrap().iter().filter(|fact| !fact.starts_with("step")) {
            let words: Vec<&str> = fact.split(' ').collect();
            let (rows, facts) = tables.entry(words[2].to_owned()).or_default();
            match words[1] {
                "piece" => {
                    assert!(facts.is_empty(), "{fact} comes after {facts:?}");
                    *rows += words[3].parse::<u64>().unwrap();
                }
                _ => facts.push(fact.clone()),
            }
        }
        assert_eq!(tables.len(), TABLES);
        for (table, (rows, facts)) in tables {
            assert_eq!(rows, 500, "{table}");
            assert_eq!(facts, [format!("2 copied {table} 500"), format!("3 verified {table}")]);
        }
    }
}

fn small_parts() -> CloneOptions {
    CloneOptions { part_size: Some(64 << 10), ..options() }
}

async fn run(source: &Database<'_>, target: &Database<'static>, strikes: bool) -> Told {
    let told = Told::default();
    let (heard, server, name) = (told.clone(), target.server(), target.name().to_owned());
    let struck = std::sync::atomic::AtomicU64::new(0);
    let observer = OnEvent(move |event: &Event<'_>| {
        heard.hear(event);
        let number = struck.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // The control session too: then the run is prepared anew.
        if strikes && [20, 50, 90].contains(&number) {
            terminate_on(server, &name, "pghaul%");
        }
    });
    let prepared = prepare(&source.url(), &target.url(), small_parts()).await.unwrap();
    let observer = Arc::new(observer);
    prepared.run(observer, Arc::new(Counters::default()), Stop::default()).await.unwrap();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fact_is_told_once_and_in_order_also_when_sessions_die() {
    let source = database(Major::V14, "told_src");
    fill(&source).await;
    let quiet = run(&source, &database(Major::V18, "told_dst"), false).await;
    quiet.assert_whole();
    let stormy = run(&source, &database(Major::V18, "told_dst"), true).await;
    stormy.assert_whole();
    assert_eq!(quiet.steps(), stormy.steps());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_is_not_told_again() {
    let (source, target) = (database(Major::V14, "before_src"), database(Major::V18, "before_dst"));
    fill(&source).await;
    clone_until(&source.url(), &target.url(), small_parts(), (60, How::Now)).await.unwrap();
    until_gone(&[&target]).await;
    let done = "select sum(rows) from pghaul.receipt";
    let before: u64 = target.value(done).await.unwrap().unwrap().parse().unwrap();
    let told = Told::default();
    let heard = told.clone();
    let again = CloneOptions { start: Start::Resume, ..options() };
    let prepared = prepare(&source.url(), &target.url(), again).await.unwrap();
    let observer = Arc::new(OnEvent(move |event: &Event<'_>| heard.hear(event)));
    prepared.run(observer, Arc::new(Counters::default()), Stop::default()).await.unwrap();
    let rows = |fact: &String| fact.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let after: u64 = told.of("piece").iter().map(rows).sum();
    assert!(before > 0 && after > 0);
    assert_eq!(before + after, 500 * TABLES as u64);
}

const WORKERS: &str = "select count(distinct worker) from pghaul.receipt";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_worker_does_is_told_too() {
    let (source, target) = (database(Major::V14, "both_src"), database(Major::V18, "both_dst"));
    fill(&source).await;
    let told = Told::default();
    let heard = told.clone();
    // The only lane waits after its first piece until the worker has one too.
    let alone = CloneOptions { jobs: std::num::NonZeroUsize::MIN, ..small_parts() };
    let prepared = prepare(&source.url(), &target.url(), alone).await.unwrap();
    let (server, name) = (target.server(), target.name().to_owned());
    let waited = std::sync::atomic::AtomicBool::new(false);
    let observer = Arc::new(OnEvent(move |event: &Event<'_>| {
        heard.hear(event);
        if matches!(event, Event::PieceCommitted { .. })
            && !waited.swap(true, std::sync::atomic::Ordering::SeqCst)
        {
            // Tasks that this thread would do next are the others' meanwhile.
            tokio::task::block_in_place(|| {
                let session = server.connect(&name).wait().unwrap();
                let begun = std::time::Instant::now();
                while session.value(WORKERS).wait().unwrap().as_deref() != Some("2") {
                    assert!(begun.elapsed().as_secs() < 120, "the worker does nothing");
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            });
        }
    }));
    let run = tokio::spawn(prepared.run(observer, Arc::new(Counters::default()), Stop::default()));
    let there = "select to_regclass('pghaul.run')::text";
    while target.value(there).await.unwrap().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let ends = (
        Endpoint::parse(Side::Source, &source.url()).unwrap(),
        Endpoint::parse(Side::Target, &target.url()).unwrap(),
    );
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    worker::join(ends.0, ends.1, options(), company).await.unwrap();
    run.await.unwrap().unwrap();
    assert_eq!(target.value(WORKERS).await.unwrap().as_deref(), Some("2"));
    told.assert_whole();
}
