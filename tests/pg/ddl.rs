//! Statements of others that want a table for themselves while it is copied: they wait for the run, the
//! run does not wait for them, and where it has to, they are named.

use std::num::{NonZeroU64, NonZeroUsize};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pghaul::event::{Counters, Event};
use pghaul::holder::Holder;
use pghaul::run::{CloneOptions, Ending, Outcome, Stop};
use pghaul::{Error, ErrorKind};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major, clients};

use crate::data_only::{data_only, owned, with_schema};
use crate::harness::{
    OnEvent, TABLES, database, fill, in_time, one_by_one, options, prepare, recount, terminate_on,
    until_there_is_an_heir,
};

/// Statements that want tables for themselves, each over a connection of its own; what becomes of
/// them is not waited for.
fn want(source: &'static Database<'static>, statements: &[&str]) {
    for statement in statements {
        source.execute(*statement).forget();
    }
    for _ in 0..1500 {
        // Not sessions of the run, which may wait behind them.
        let waiting = "select count(distinct l.pid) from pg_locks l \
                       join pg_stat_activity a on a.pid = l.pid where not l.granted \
                       and a.datname = current_database() and a.application_name = $$pghaul-testbed$$";
        if source.value(waiting).wait().unwrap() == Some(statements.len().to_string()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("nobody waits for a lock");
}

/// What was heard.
#[derive(Default)]
struct Heard {
    waiting: Mutex<Vec<(String, Vec<Holder>)>>,
    retried: AtomicU64,
    pieces: AtomicU64,
}

/// Clones with two readers, slowly, and strikes once after the first piece.
async fn clone_and_strike(
    source: &'static Database<'static>,
    target: &Database<'static>,
    options: CloneOptions,
    strike: impl Fn() + Send + Sync + 'static,
    waiting: impl Fn(&Holder) + Send + Sync + 'static,
) -> (Result<Outcome, Error>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let (ears, struck) = (Arc::clone(&heard), AtomicBool::new(false));
    let observer = OnEvent(move |event: &Event<'_>| match event {
        Event::PieceCommitted { .. } => {
            ears.pieces.fetch_add(1, Ordering::SeqCst);
            if !struck.swap(true, Ordering::SeqCst) {
                // Who comes later waits behind what is struck with.
                until_there_is_an_heir(source, TABLES);
                strike();
            }
        }
        Event::Waiting { what, holders } => {
            ears.waiting.lock().unwrap().push(((*what).to_owned(), holders.to_vec()));
            holders.iter().for_each(&waiting);
        }
        Event::Retrying { .. } => {
            ears.retried.fetch_add(1, Ordering::SeqCst);
        }
        _ => {}
    });
    let prepared = prepare(&source.url(), &target.url(), options).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    (in_time(run).await, heard)
}

/// Two readers that take some seconds.
fn slowly() -> CloneOptions {
    CloneOptions {
        jobs: NonZeroUsize::new(2).unwrap(),
        part_size: Some(256 << 10),
        max_rate: NonZeroU64::new(200 << 10),
        ..options()
    }
}

async fn filled(major: Major, hint: &str) -> (&'static Database<'static>, Database<'static>) {
    // The servers live as long as the process, so their databases' connections may too.
    let source: &'static _ = Box::leak(Box::new(database(major, &format!("{hint}_src"))));
    fill(source).await;
    (source, database(Major::V18, &format!("{hint}_dst")))
}

/// A connection of ours dies while somebody's ALTER waits: the other reader does all the work.
async fn a_reader_is_cut_off(major: Major) {
    let (source, target) = filled(major, "cut_off").await;
    let before = recount(source).await;
    let strike = move || {
        want(source, &["alter table t12 alter column id type bigint"]);
        assert_eq!(terminate_on(source.server(), source.name(), "pghaul% copy 1"), 1);
    };
    let once = CloneOptions { retries_per_run: 1, ..slowly() };
    let (outcome, heard) = clone_and_strike(source, &target, once, strike, |_| {}).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert_eq!(outcome.consistency, "snapshot");
    assert_eq!(heard.pieces.load(Ordering::SeqCst), TABLES as u64, "each once");
    assert_eq!(before, recount(&target).await);
    let waiting = heard.waiting.lock().unwrap();
    let (what, holders) = waiting.first().expect("nobody says who is in the way");
    assert_eq!(what, "a reader of the source");
    assert_names_the_alter(&holders[0]);
}

fn assert_names_the_alter(holder: &Holder) {
    let lock = holder.lock.as_ref().unwrap();
    assert!(holder.pid.is_some() && holder.age.is_some(), "{holder:?}");
    assert_eq!(holder.user.as_deref(), Some("postgres"));
    assert_eq!(lock.mode, "AccessExclusiveLock");
    assert_eq!(lock.relation.as_deref(), Some("public.t12"));
    assert!(!lock.granted, "it waits as well");
    let said = holder.to_string();
    assert!(said.contains("waits for AccessExclusiveLock on public.t12"), "{said}");
    assert!(!said.contains("alter"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_barred_leaves_its_work_to_the_others() {
    tokio::join!(
        a_reader_is_cut_off(Major::V9_6),
        a_reader_is_cut_off(Major::V14),
        a_reader_is_cut_off(Major::V18),
    );
}

/// A lane that has nothing to do yet has its reader too: behind DDL that comes later it could not have
/// one any more. Rows that refer to others come after these, where nobody may silence the key.
async fn all_readers_are_there(major: Major) {
    let source: &'static _ = Box::leak(Box::new(database(major, "early_src")));
    source
        .execute(
            "create table parents (id int primary key);
             insert into parents select g from generate_series(1, 1000) g;
             create table children (id int primary key, parent int references parents);
             insert into children select g, g from generate_series(1, 1000) g; analyze",
        )
        .await
        .unwrap();
    let (target, owner) = owned(Major::V18);
    let url = target.url_as(&owner);
    with_schema(source, &url).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let eyes = Arc::clone(&seen);
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::PieceCommitted { table, .. } = event {
            let readers = "select count(distinct l.pid) from pg_locks l \
                           join pg_stat_activity a on a.pid = l.pid \
                           where a.application_name like 'pghaul% copy _' and l.granted \
                           and l.mode = 'AccessShareLock' and l.relation = 'children'::regclass";
            let readers = source.value(readers).wait().unwrap().unwrap();
            eyes.lock().unwrap().push(format!("{table} {readers}"));
        }
    });
    let two = CloneOptions { jobs: NonZeroUsize::new(2).unwrap(), ..data_only() };
    let prepared = prepare(&source.url(), &url, two).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    assert!(run.await.unwrap().tables.iter().all(|table| table.verified));
    assert_eq!(seen.lock().unwrap()[0], "public.parents 2", "{major}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_is_there_before_the_first_row() {
    tokio::join!(all_readers_are_there(Major::V9_6), all_readers_are_there(Major::V18));
}

/// All readers die: the run waits, says for whom, and goes on under its snapshot as soon as it may.
async fn all_readers_are_cut_off(major: Major) {
    let (source, target) = filled(major, "all_cut").await;
    let strike = move || {
        want(source, &["truncate t12"]);
        assert_eq!(terminate_on(source.server(), source.name(), "pghaul% copy _"), 2);
    };
    let cancelled = AtomicBool::new(false);
    let end = move |holder: &Holder| {
        assert_names_the_alter(holder);
        if !cancelled.swap(true, Ordering::SeqCst) {
            let sql = format!("select pg_cancel_backend({})", holder.pid.unwrap());
            source.server().execute(sql).wait().unwrap();
        }
    };
    let (outcome, heard) = clone_and_strike(source, &target, slowly(), strike, end).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert_eq!(outcome.consistency, "snapshot");
    let goes_on = heard.waiting.lock().unwrap().iter().any(|(_, holders)| holders.is_empty());
    assert!(goes_on, "it does not say that it goes on");
    assert_eq!(recount(source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_readers_waits_until_it_may_read() {
    tokio::join!(
        all_readers_are_cut_off(Major::V9_6),
        all_readers_are_cut_off(Major::V14),
        all_readers_are_cut_off(Major::V18),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_readers_ends_and_names_who_is_in_the_way() {
    let (source, target) = filled(Major::V14, "barred").await;
    let strike = move || {
        want(source, &["alter table t12 alter column id type bigint"]);
        assert_eq!(terminate_on(source.server(), source.name(), "pghaul% copy _"), 2);
    };
    let twice = CloneOptions { attempts: 2, ..slowly() };
    let (outcome, heard) = clone_and_strike(source, &target, twice, strike, |_| {}).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transfer, "{error:?}");
    assert_eq!(error.sqlstate(), Some("55P03"));
    let said = format!("{error:?}");
    assert!(said.contains("stands in the way of a session that has to read the tables"), "{said}");
    assert!(said.contains("waits for AccessExclusiveLock on public.t12"), "{said}");
    assert!(error.hint().unwrap().contains("pg_terminate_backend("), "{:?}", error.hint());
    assert!(heard.pieces.load(Ordering::SeqCst) < TABLES as u64, "the rest was not given up alone");
    let parts = "select count(*) from pghaul.receipt";
    assert_ne!(target.value(parts).await.unwrap().as_deref(), Some("0"), "what is done is kept");
}

/// A reader that has the snapshot waits behind a TRUNCATE for the lock of its table, and all others who
/// had the locks die: it would see no rows in it.
async fn a_reader_comes_too_late(major: Major) {
    let (source, target) = filled(major, "too_late").await;
    // Too large to travel with one of the others, which come first.
    for table in ["last", "witness"] {
        let sql = format!(
            "create table {table} (id int primary key, v text); insert into {table} \
             select g, repeat(md5(g::text), 10) from generate_series(1, 300) g; analyze {table}"
        );
        source.execute(sql).await.unwrap();
    }
    let strike = move || {
        until_there_is_an_heir(source, TABLES + 2);
        want(source, &["truncate last; insert into witness values (1000)"]);
        assert_eq!(terminate_on(source.server(), source.name(), "pghaul% copy _"), 1);
        std::thread::spawn(move || {
            let readers = "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid \
                           where a.application_name like 'pghaul% copy _' and not l.granted \
                           and l.relation = 'last'::regclass and a.datname = current_database()";
            while source.value(readers).wait().unwrap().as_deref() != Some("1") {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                       where datname = current_database() \
                       and application_name similar to 'pghaul% (heir|keeper)'";
            assert_eq!(source.value(end).wait().unwrap().as_deref(), Some("2"));
        });
    };
    let (outcome, heard) = clone_and_strike(source, &target, one_by_one(), strike, |_| {}).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.ending, outcome.consistency), (Ending::Complete, "reverified"), "{major}");
    assert_eq!(heard.pieces.load(Ordering::SeqCst), TABLES as u64 + 2, "each once");
    // What was committed together has arrived together.
    let both = "select (select count(*) from last) || ' ' || (select count(*) from witness)";
    assert_eq!(target.value(both).await.unwrap().as_deref(), Some("0 301"), "{major}");
    assert_eq!(recount(source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_emptied_before_its_reader_had_the_lock_is_of_no_earlier_moment() {
    tokio::join!(a_reader_comes_too_late(Major::V9_6), a_reader_comes_too_late(Major::V18));
}

/// A table of the target that somebody has locked: the piece, and the step, wait without an end, and
/// say for whom.
async fn somebody_locks_on_the_target(
    major: Major,
    (lock, from): (&'static str, fn(&Event<'_>) -> bool),
    cancels: bool,
) -> Vec<(String, Vec<Holder>)> {
    let (source, target) = (database(major, "held_src"), database(major, "held_dst"));
    fill(&source).await;
    let (server, name) = (target.server(), target.name().to_owned());
    let heard = Arc::new(Heard::default());
    let (ears, locked) = (Arc::clone(&heard), Mutex::new(None));
    let cancelled = AtomicBool::new(false);
    let observer = OnEvent(move |event: &Event<'_>| {
        if from(event) && locked.lock().unwrap().is_none() {
            let session = server.connect(&name).wait().unwrap();
            session.execute("set application_name = 'somebody'; begin").wait().unwrap();
            session.execute(lock).wait().unwrap();
            *locked.lock().unwrap() = Some(session);
        }
        if let Event::Retrying { .. } = event {
            ears.retried.fetch_add(1, Ordering::SeqCst);
        }
        if let Event::Waiting { what, holders } = event {
            ears.waiting.lock().unwrap().push(((*what).to_owned(), holders.to_vec()));
            if let Some(holder) = holders.first() {
                assert_eq!(holder.application.as_deref(), Some("somebody"), "{holder:?}");
                if cancels && !cancelled.swap(true, Ordering::SeqCst) {
                    let sql = format!(
                        "select count(pg_cancel_backend(pid)) from pg_stat_activity \
                         where datname = '{name}' and application_name like 'pghaul% step _' \
                         and wait_event_type = 'Lock'"
                    );
                    let count = server.value(sql).wait().unwrap().unwrap();
                    assert_ne!(count, "0", "no step waits");
                }
                let end = locked.lock().unwrap();
                end.as_ref().unwrap().execute("rollback").wait().unwrap();
            }
        }
    });
    let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    let outcome = in_time(run).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified));
    // Indexes, keys and their validity as well.
    let all = OracleOptions::new();
    oracle::compare(&source.url(), &target.url(), &all).await.unwrap().check().unwrap();
    let mut waiting = heard.waiting.lock().unwrap();
    std::mem::take(&mut *waiting)
}

async fn a_piece_waits(major: Major) {
    let from = |event: &Event<'_>| matches!(event, Event::Planned { .. });
    let lock = "lock table t7 in share row exclusive mode";
    let waiting = somebody_locks_on_the_target(major, (lock, from), false).await;
    let (what, holders) = &waiting[0];
    assert!(what.starts_with("writing `public.t"), "{what}");
    let lock = holders[0].lock.as_ref().unwrap();
    assert_eq!(lock.mode, "ShareRowExclusiveLock");
    assert_eq!(lock.relation.as_deref(), Some("public.t7"));
    assert!(lock.granted);
    assert_eq!(holders[0].state.as_deref(), Some("idle in transaction"));
    let over = waiting.last().unwrap();
    assert!(over.1.is_empty() && over.0 == *what, "it goes on: {over:?}");
}

async fn a_step_waits(major: Major) {
    let from = |event: &Event<'_>| matches!(event, Event::TableVerified { table, .. } if table.name.as_str() == "t2");
    let lock = "lock table t2 in access share mode";
    let waiting = somebody_locks_on_the_target(major, (lock, from), false).await;
    let (what, holders) = &waiting[0];
    assert!(what.contains("CONSTRAINT "), "{what}");
    assert_eq!(holders[0].lock.as_ref().unwrap().relation.as_deref(), Some("public.t2"));
    assert!(waiting.last().unwrap().1.is_empty());
}

/// Rows go in beside this lock, indexes do not.
async fn a_step_is_cancelled(major: Major) {
    let from = |event: &Event<'_>| matches!(event, Event::Planned { .. });
    let lock = "lock table t2 in row exclusive mode";
    let waiting = somebody_locks_on_the_target(major, (lock, from), true).await;
    let (what, holders) = &waiting[0];
    assert_eq!(holders[0].lock.as_ref().unwrap().relation.as_deref(), Some("public.t2"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_lock_on_the_target_is_named() {
    tokio::join!(
        a_piece_waits(Major::V9_6),
        a_piece_waits(Major::V18),
        a_step_waits(Major::V9_6),
        a_step_waits(Major::V18),
    );
}

/// By an operator or a timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_cancelled_is_done_afterwards() {
    tokio::join!(a_step_is_cancelled(Major::V9_6), a_step_is_cancelled(Major::V18));
}

/// Somebody has a table for himself when the run wants to begin: after 30 s it says who.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_table_for_himself_from_the_beginning_is_named() {
    let (source, target) = (database(Major::V14, "kept_src"), database(Major::V18, "kept_dst"));
    source.execute("create table kept (id int); create table free (id int)").await.unwrap();
    let holder = source.connect().await.unwrap();
    let alone = "set application_name = 'a tool'; begin; lock table kept";
    holder.execute(alone).await.unwrap();
    let pid = holder.value("select pg_backend_pid()").await.unwrap().unwrap();
    let error = prepare(&source.url(), &target.url(), options()).await.err().unwrap();
    let hint = error.hint().unwrap();
    for part in [
        &format!("process {pid} (a tool, role postgres, idle in transaction, for "),
        "has AccessExclusiveLock on public.kept) is in the way on the source",
        &format!("SELECT pg_terminate_backend({pid})"),
    ] {
        assert!(hint.contains(part), "{part}: {hint}");
    }
}

/// A `pg_dump` that begins once somebody has come who wants a table for himself.
fn late_pg_dump(folder: &std::path::Path) -> std::path::PathBuf {
    let (path, real) = (folder.join("pg_dump"), clients().unwrap().pg_dump());
    let script = format!(
        "#!/bin/sh\ncase $1 in --version) exec '{real}' --version;; esac\n\
         touch '{folder}/begun'\nwhile [ ! -e '{folder}/on' ]; do sleep 0.02; done\n\
         exec '{real}' \"$@\"\n",
        real = real.display(),
        folder = folder.display(),
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// An ALTER waits for the run's locks, `pg_dump` behind it for the table, the run for `pg_dump`: after
/// 30 s it says who, and lets go.
#[tokio::test(flavor = "multi_thread")]
async fn an_alter_between_the_locks_and_pg_dump_is_named() {
    let source: &'static _ = Box::leak(Box::new(database(Major::V14, "between_src")));
    let target = database(Major::V18, "between_dst");
    source.execute("create table wanted (id int)").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let late = CloneOptions { pg_dump: Some(late_pg_dump(folder.path())), ..options() };
    let (from, to) = (source.url(), target.url());
    let preparing = prepare(&from, &to, late);
    let strike = async {
        while !folder.path().join("begun").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let alter = || want(source, &["alter table wanted alter column id type bigint"]);
        tokio::task::spawn_blocking(alter).await.unwrap();
        std::fs::write(folder.path().join("on"), "").unwrap();
    };
    let both = Box::pin(async { tokio::join!(preparing, strike) });
    let (refused, ()) = in_time(both).await;
    let error = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Transfer, "{error:?}");
    let hint = error.hint().unwrap();
    for part in ["waits for AccessExclusiveLock on public.wanted", "pg_terminate_backend("] {
        assert!(hint.contains(part), "{part}: {hint}");
    }
    let of_id = "select count(*) from pg_attribute where attrelid = 'wanted'::regclass \
                 and attname = 'id' and atttypid = 'int8'::regtype";
    for _ in 0..500 {
        if source.value(of_id).await.unwrap().as_deref() == Some("1") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the ALTER waits still");
}
