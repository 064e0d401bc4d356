//! A target that comes back from a crash has emptied its unlogged tables, and their receipts are there
//! still: the run copies these tables again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pghaul::event::{Counters, Event};
use pghaul::run::options::{Deferred, Start};
use pghaul::run::{CloneOptions, Ending, Outcome, Stop};
use pghaul_testbed::{Database, Major, Options, Server};

use crate::archive::harness::{dump_options, dump_to, restore_from};
use crate::harness::{OnEvent, clone, database, fill, one_by_one, options, prepare, recount};

/// A table that others refer to, one that refers to a table that is logged, and a sequence.
const FLEETING: &str = "
    create unlogged table fleeting (id serial primary key, v text);
    insert into fleeting (v) select md5(g::text) from generate_series(1, 1000) g;
    create unlogged table notes (id int primary key references t1, f int references fleeting);
    insert into notes select g, g from generate_series(1, 500) g;
    create unlogged table nothing (id int);
";

async fn source(from: Major) -> Database<'static> {
    let source = database(from, "fleeting_src");
    fill(&source).await;
    source.execute(FLEETING).await.unwrap();
    source
}

fn quiet(major: Major) -> Server {
    Server::start(major, &Options::new().set("autovacuum", "off")).unwrap()
}

async fn assert_equal(source: &Database<'_>, target: &Database<'_>, outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    assert!(outcome.tables.iter().all(|table| table.verified));
    assert_eq!(recount(source).await, recount(target).await);
    let fleeting = "select (select md5(string_agg(f::text, '|' order by id)) from fleeting f) \
                    , (select md5(string_agg(n::text, '|' order by id)) from notes n) \
                    , (select last_value::text from fleeting_id_seq)";
    let there = source.query_text(fleeting).await.unwrap();
    assert!(there[0].iter().all(Option::is_some), "{there:?}");
    assert_eq!(there, target.query_text(fleeting).await.unwrap());
    let keys = "select count(*) from pg_constraint where contype = 'f' and convalidated \
                and connamespace = 'public'::regnamespace";
    assert_eq!(source.value(keys).await.unwrap(), target.value(keys).await.unwrap());
}

/// All rows had been read back.
async fn between_two_processes(from: Major, to: Major) {
    let (source, server) = (source(from).await, quiet(to));
    let target = Database::new(&server, "fleeting_dst").unwrap();
    let later = CloneOptions { deferred: vec![Deferred::Validation], ..options() };
    clone(&source.url(), &target.url(), later).await.unwrap();
    server.crash().unwrap();
    server.start_again().unwrap();
    let resume = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&source.url(), &target.url(), resume).await.unwrap();
    assert_equal(&source, &target, &outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_two_processes_takes_no_row_of_unlogged_tables() {
    between_two_processes(Major::V9_6, Major::V14).await;
    between_two_processes(Major::V18, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_takes_no_row_of_unlogged_tables() {
    let (source, server) = (source(Major::V14).await, Arc::new(quiet(Major::V18)));
    let target = Database::new(&server, "fleeting_dst").unwrap();
    let (ours, crashed) = (Arc::clone(&server), AtomicBool::new(false));
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::TableVerified { table, .. } = event
            && table.name.as_str() == "fleeting"
            && !crashed.swap(true, Ordering::SeqCst)
        {
            ours.crash().unwrap();
            ours.start_again().unwrap();
        }
    });
    let prepared = prepare(&source.url(), &target.url(), one_by_one()).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    assert_equal(&source, &target, &run.await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_takes_no_row_of_unlogged_tables_of_an_archive() {
    let (source, server) = (source(Major::V14).await, quiet(Major::V18));
    let target = Database::new(&server, "fleeting_dst").unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let later = CloneOptions { deferred: vec![Deferred::Validation], ..CloneOptions::default() };
    restore_from(&archive, &target.url(), later).await.unwrap();
    server.crash().unwrap();
    server.start_again().unwrap();
    let resume = CloneOptions { start: Start::Resume, ..CloneOptions::default() };
    let outcome = restore_from(&archive, &target.url(), resume).await.unwrap();
    assert_equal(&source, &target, &outcome).await;
}
