//! More tables than readers lock at once: a table is locked while it is read, and nobody's DDL makes one
//! arrive empty.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pghaul::ErrorKind;
use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, DumpOptions, dump};
use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Stop, options::Start};
use pghaul_testbed::{Database, Major, Options, Server};

use crate::archive::harness::dump_options;
use crate::harness::{
    OnEvent, clone, database, in_time, options, prepare, terminate_on, until_there_is_an_heir,
};

/// 510 tables of a few rows, and one that is read first, in several pieces.
async fn many(major: Major, hint: &str) -> &'static Database<'static> {
    // The servers live as long as the process, so their databases' connections may too.
    let source: &'static _ = Box::leak(Box::new(database(major, hint)));
    source
        .execute(
            "create table big (id int primary key, v text);
             insert into big select g, repeat(md5(g::text), 20) from generate_series(1, 3000) g;
             do $$ begin for i in 1..510 loop
               execute format('create table s%s as select g as id from generate_series(1, 3) g', i);
             end loop; end $$;
             analyze",
        )
        .await
        .unwrap();
    source
}

/// One reader, and pieces that take some time.
fn slowly() -> CloneOptions {
    CloneOptions {
        jobs: NonZeroUsize::MIN,
        part_size: Some(256 << 10),
        max_rate: NonZeroU64::new(1 << 20),
        ..options()
    }
}

/// Calls `strike` once, after the first piece.
fn once(strike: impl Fn() + Send + Sync + 'static) -> impl Fn(&Event<'_>) + Send + Sync {
    let struck = AtomicBool::new(false);
    move |event| {
        if let Event::PieceCommitted { .. } = event
            && !struck.swap(true, Ordering::SeqCst)
        {
            strike();
        }
    }
}

/// Waits for somebody who waits for a lock.
fn until_one_waits(source: &Database<'_>) {
    let waiting = "select count(*) from pg_locks where not granted and database = \
                   (select oid from pg_database where datname = current_database())";
    while source.value(waiting).wait().unwrap().as_deref() == Some("0") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// It waits for the run, and the run's reader for it, and says so.
async fn ddl_waits(major: Major) {
    let (source, target) = (many(major, "many_src").await, database(Major::V18, "many_dst"));
    let strike = once(move || {
        source.execute("truncate s7").forget();
        until_one_waits(source);
    });
    let named = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&named);
    let observer = OnEvent(move |event: &Event<'_>| {
        strike(event);
        if let Event::Waiting { what, holders } = event {
            ears.lock().unwrap().push(((*what).to_owned(), holders.to_vec()));
            for pid in holders.iter().filter_map(|holder| holder.pid) {
                let sql = format!("select pg_cancel_backend({pid})");
                source.server().execute(sql).wait().unwrap();
            }
        }
    });
    let prepared = prepare(&source.url(), &target.url(), slowly()).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    let outcome = in_time(run).await.unwrap();
    assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "snapshot"));
    assert!(outcome.tables.iter().all(|table| table.verified));
    let rows = target.value("select count(*) from s7").await.unwrap();
    assert_eq!(rows.as_deref(), Some("3"), "{major}");
    let named = named.lock().unwrap();
    let (what, holders) = &named[0];
    assert!(what.starts_with("reading "), "{what}");
    let lock = holders[0].lock.as_ref().unwrap();
    assert_eq!(lock.relation.as_deref(), Some("public.s7"), "{named:?}");
}

/// Nobody cancels it: the run ends, names it, and has copied everything else.
async fn ddl_that_is_not_cancelled(major: Major) {
    let (source, target) = (many(major, "stuck_src").await, database(Major::V18, "stuck_dst"));
    let strike = once(move || {
        source.execute("alter table s7 alter column id type bigint").forget();
        until_one_waits(source);
    });
    let twice = CloneOptions { attempts: 2, ..slowly() };
    let prepared = prepare(&source.url(), &target.url(), twice).await.unwrap();
    let observer = Arc::new(OnEvent(strike));
    let error = prepared.run(observer, Arc::new(Counters::default()), Stop::default()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Transfer, Some("55P03")), "{error:?}");
    let said = format!("{error:?}");
    assert!(said.contains("`public.s7`") && said.contains("stands in the way"), "{said}");
    assert!(said.contains("waits for AccessExclusiveLock on public.s7"), "{said}");
    assert!(error.hint().unwrap().contains("pg_terminate_backend("), "{:?}", error.hint());
    let whole = "select count(distinct part) from pghaul.receipt where next_block is null";
    let parts = "select count(*) - 1 from pghaul.part";
    assert_eq!(target.value(whole).await.unwrap(), target.value(parts).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn ddl_among_more_tables_than_a_reader_locks_waits_or_is_named() {
    tokio::join!(
        ddl_waits(Major::V9_6),
        ddl_waits(Major::V18),
        ddl_that_is_not_cancelled(Major::V14),
    );
}

/// Both sessions that hold the locks end, and at the same moment a table is emptied that the reader,
/// which lives on, has not come to; and what it has read already is changed.
fn let_go(source: &'static Database<'static>) {
    until_there_is_an_heir(source, 511);
    // At once, or another heir would come.
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() \
               and application_name similar to 'pghaul% (heir|keeper)'";
    assert_eq!(source.value(end).wait().unwrap().as_deref(), Some("2"));
    source.execute("truncate s7; update big set v = 'late' where id = 1").wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_emptied_while_nobody_locked_it_is_of_no_earlier_moment() {
    for major in [Major::V9_6, Major::V18] {
        let (source, target) = (many(major, "gone_src").await, database(Major::V18, "gone_dst"));
        let strike = once(move || let_go(source));
        let prepared = prepare(&source.url(), &target.url(), slowly()).await.unwrap();
        let observer = Arc::new(OnEvent(strike));
        let error = prepared.run(observer, Arc::new(Counters::default()), Stop::default()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SnapshotGone, "{major}: {error:?}");
        assert!(format!("{error:?}").contains("`public.big`"), "{error:?}");
        let patterns = vec!["public.big".to_owned()];
        let again = CloneOptions { start: Start::ResumeRestarting(patterns), ..options() };
        let outcome = clone(&source.url(), &target.url(), again).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified));
        let now = "select (select count(*) from s7) || ' ' || (select v from big where id = 1)";
        assert_eq!(target.value(now).await.unwrap().as_deref(), Some("0 late"), "{major}");
    }
}

async fn dump_slowly(
    source: &'static Database<'static>,
    folder: &Path,
    observer: Arc<dyn pghaul::event::Observer>,
) -> Result<pghaul::dump::DumpOutcome, pghaul::Error> {
    let slow = slowly();
    let options = DumpOptions {
        jobs: slow.jobs,
        part_size: slow.part_size,
        max_rate: slow.max_rate,
        ..dump_options()
    };
    let from = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let company = (observer, Arc::new(Counters::default()), Stop::default());
    dump(from, Destination::Folder(folder.to_owned()), options, company).await
}

/// A dump's readers lock what they have begun to read, however many tables there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_does_not_take_a_table_for_empty_that_nobody_locked() {
    let source = many(Major::V14, "dump_src").await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("archive");
    let strike = once(move || let_go(source));
    let error = dump_slowly(source, &folder, Arc::new(OnEvent(strike))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotGone, "{error:?}");
    let error = dump_slowly(source, &folder, Arc::new(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotGone, "{error:?}");
    assert!(format!("{error:?}").contains("`public.big`"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn among_many_tables_too_an_heir_keeps_the_locks() {
    let (source, target) = (many(Major::V14, "name_src").await, database(Major::V18, "name_dst"));
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let strike = once(move || {
        until_there_is_an_heir(source, 511);
        let keeper = terminate_on(source.server(), source.name(), "pghaul% keeper");
        *count.lock().unwrap() = keeper;
    });
    let prepared = prepare(&source.url(), &target.url(), slowly()).await.unwrap();
    let observer = Arc::new(OnEvent(strike));
    let run = prepared.run(observer, Arc::new(Counters::default()), Stop::default());
    assert_eq!(run.await.unwrap().consistency, "snapshot", "an heir has had the locks too");
    assert_eq!(*seen.lock().unwrap(), 1);
}

/// More sequences than the target's lock table can hold at once.
#[tokio::test(flavor = "multi_thread")]
async fn sequences_are_set_in_several_transactions() {
    let few = Options::new().set("max_locks_per_transaction", "10").set("max_connections", "30");
    let server = Server::start(Major::V18, &few).unwrap();
    let (source, target) =
        (database(Major::V14, "many_seq_src"), Database::new(&server, "many_seq_dst").unwrap());
    for from in [1, 1001, 2001] {
        let make = format!(
            "do $$ begin for i in {from}..{from} + 999 loop \
             execute 'create sequence s' || i; \
             perform setval('s' || i, i); end loop; end $$"
        );
        source.execute(make).await.unwrap();
    }
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    for some in [1, 200, 201, 1500, 3000] {
        let value = target.value(format!("select last_value from s{some}")).await.unwrap();
        assert_eq!(value, Some(some.to_string()));
    }
}
