//! Dumps and restores that are interrupted go on where they were, and never look finished.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use pghaul::ErrorKind;
use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, DumpOptions, DumpOutcome, dump};
use pghaul::event::{Counters, Event, Phase};
use pghaul::restore;
use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Ending, Stop};
use pghaul_archive::{Folder, check};
use pghaul_testbed::{Database, Major, Options, Server};

use super::harness::{dump_options, dump_to, restore_from};
use crate::harness::{
    How, OnEvent, TABLES, database, fill, in_time, recount, terminate_on, until_gone,
};

/// Pieces of the archive stay below this, so that tables have several parts.
fn small() -> DumpOptions {
    DumpOptions { part_size: Some(64 << 10), ..dump_options() }
}

fn stop(stop: &Stop, how: How) {
    match how {
        How::Soon => stop.soon.cancel(),
        How::Now => stop.now.cancel(),
    }
}

/// Dumps until the n-th piece; gives the bytes that were read.
async fn dump_until(
    source: &str,
    folder: &Path,
    (pieces, how): (i64, How),
) -> (Result<DumpOutcome, pghaul::Error>, u64) {
    let (asked, counters) = (Stop::default(), Arc::new(Counters::default()));
    let left = AtomicI64::new(pieces);
    let observer = OnEvent({
        let asked = asked.clone();
        move |event: &Event<'_>| {
            if matches!(event, Event::PieceCommitted { .. })
                && left.fetch_sub(1, Ordering::SeqCst) == 1
            {
                stop(&asked, how);
            }
        }
    });
    let source = Endpoint::parse(Side::Source, source).unwrap();
    let company = (Arc::new(observer) as _, Arc::clone(&counters), asked);
    let destination = Destination::Folder(folder.to_owned());
    let outcome = dump(source, destination, small(), company).await;
    (outcome, counters.bytes_read.load(Ordering::SeqCst))
}

/// Dumps until the n-th piece, and until the snapshot is gone.
async fn stopped(source: &Database<'_>, folder: &Path, (pieces, how): (i64, How)) {
    let (stopped, _) = dump_until(&source.url(), folder, (pieces, how)).await;
    assert!(stopped.unwrap().archive.is_none(), "after {pieces}");
    until_gone(&[source]).await;
}

fn pieces(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let archive = Folder::new(folder);
    let files = archive.list().unwrap();
    let whole = files.into_iter().filter(|name| name.ends_with(".zst"));
    whole.map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

async fn restored_is_the_same(source: &Database<'_>, archive: &Path) {
    let target = database(Major::V18, "interrupted_dst");
    let outcome = restore_from(archive, &target.url(), CloneOptions::default()).await.unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(recount(source).await, recount(&target).await);
}

async fn stopped_and_gone_on(from: Major, how: How) {
    // Nobody else writes there: on a shared server other tests move the transaction ids.
    let options = Options::new().set("autovacuum", "off");
    let server = Server::start(from, &options).unwrap();
    let source = Database::new(&server, "interrupted").unwrap();
    fill(&source).await;
    source.execute(format!("alter database {} set work_mem = '5MB'", source.name())).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let (done, all_bytes) = dump_until(&source.url(), &whole, (i64::MAX, how)).await;
    let done = done.unwrap();
    assert!(done.archive.is_some());
    let not_carried = |outcome: &DumpOutcome| {
        outcome.findings.iter().any(|finding| finding.code == "settings_not_carried")
    };
    assert!(not_carried(&done), "{:?}", done.findings);
    for stop_after in [1, 7, 15] {
        let archive = place.path().join(format!("after {stop_after}"));
        stopped(&source, &archive, (stop_after, how)).await;
        let folder = Folder::new(&archive);
        assert!(!folder.is_finished());
        // Not an archive: nobody takes it for one.
        let refused = restore::describe(archive.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Archive);
        let kept = pieces(&archive);
        assert!(kept.len() >= usize::try_from(stop_after).unwrap(), "{} pieces", kept.len());
        let (ended, bytes) = dump_until(&source.url(), &archive, (i64::MAX, how)).await;
        let ended = ended.unwrap();
        assert!(ended.resumed && ended.archive.is_some());
        // What was known before the first process began is told by the last one too.
        assert_eq!(ended.findings, done.findings, "{stop_after}");
        // The source was idle: what was there is there still, and was not read again.
        let after = pieces(&archive);
        assert!(kept.iter().all(|piece| after.contains(piece)), "{stop_after}");
        assert_eq!(ended.consistency, "proven-unchanged");
        assert!(bytes < all_bytes, "{bytes} of {all_bytes} bytes");
        assert_eq!(check::folder(&folder).unwrap(), Vec::<String>::new());
        restored_is_the_same(&source, &archive).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_was_stopped_goes_on_from_18() {
    stopped_and_gone_on(Major::V18, How::Soon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_was_stopped_at_once_goes_on_from_9_6() {
    stopped_and_gone_on(Major::V9_6, How::Now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_where_it_was_read_already_ends_the_dump() {
    let source = database(Major::V14, "changed");
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    stopped(&source, &archive, (8, How::Soon)).await;
    let updates: Vec<String> = (1..=TABLES)
        .map(|table| format!("update t{table} set u = u || 'x' where id = 1"))
        .collect();
    source.execute(updates.join(";")).await.unwrap();
    let (gone, _) = dump_until(&source.url(), &archive, (i64::MAX, How::Soon)).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::SnapshotGone);
    assert!(!Folder::new(&archive).is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_elsewhere_is_read_again_and_found_the_same() {
    let source = database(Major::V14, "elsewhere");
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    stopped(&source, &archive, (8, How::Soon)).await;
    // Moves the transaction ids, so nothing is proven by them.
    source
        .execute("create role nobody_in_particular; drop role nobody_in_particular")
        .await
        .unwrap();
    let (ended, _) = dump_until(&source.url(), &archive, (i64::MAX, How::Soon)).await;
    assert_eq!(ended.unwrap().consistency, "reverified");
    restored_is_the_same(&source, &archive).await;
}

/// What lies there was finished once, and the disk says otherwise now: it is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_piece_that_was_damaged_since_is_read_again() {
    let options = Options::new().set("autovacuum", "off");
    let server = Server::start(Major::V18, &options).unwrap();
    let source = Database::new(&server, "decayed").unwrap();
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    stopped(&source, &archive, (8, How::Soon)).await;
    let largest = pieces(&archive).into_iter().max_by_key(|(_, bytes)| bytes.len());
    let (name, mut bytes) = largest.unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(archive.join(&name), &bytes).unwrap();
    let (ended, _) = dump_until(&source.url(), &archive, (i64::MAX, How::Soon)).await;
    assert!(ended.unwrap().archive.is_some());
    assert_eq!(check::folder(&Folder::new(&archive)).unwrap(), Vec::<String>::new());
    restored_is_the_same(&source, &archive).await;
}

/// Stopped at once while it reads back what it wrote: not published, since not all of it was read.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_read_back_is_not_published() {
    let source = database(Major::V18, "unread");
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let asked = Stop::default();
    let observer = OnEvent({
        let asked = asked.clone();
        move |event: &Event<'_>| {
            if matches!(event, Event::PhaseStarted(Phase::PostData)) {
                asked.soon.cancel();
                asked.now.cancel();
            }
        }
    });
    let endpoint = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let company = (Arc::new(observer) as _, Arc::new(Counters::default()), asked);
    let to = Destination::Folder(archive.clone());
    let outcome = dump(endpoint, to, small(), company).await.unwrap();
    assert!(outcome.archive.is_none());
    assert!(!Folder::new(&archive).is_finished());
    // All rows are there, so it does not matter what becomes of the source.
    let before = recount(&source).await;
    for table in 1..=TABLES {
        source.execute(format!("update t{table} set v = 'changed'")).await.unwrap();
    }
    source.execute("select lo_create(g) from generate_series(60001, 60150) g").await.unwrap();
    dump_to(&source.url(), &archive, small()).await.unwrap();
    let target = database(Major::V18, "interrupted_dst");
    let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(before, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dumps_into_one_folder_exclude_each_other() {
    let source = database(Major::V18, "twice");
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    let lock = std::fs::File::create(archive.join("pghaul.lock")).unwrap();
    lock.lock().unwrap();
    let error = dump_to(&source.url(), &archive, small()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
    // Not only closed: a child that another test has just started has it too, until it runs.
    lock.unlock().unwrap();
    dump_to(&source.url(), &archive, small()).await.unwrap();
    // And what is finished is not written over.
    let error = dump_to(&source.url(), &archive, small()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
    let strangers = place.path().join("strangers");
    std::fs::create_dir(&strangers).unwrap();
    std::fs::write(strangers.join("letter.txt"), "dear").unwrap();
    let error = dump_to(&source.url(), &strangers, small()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
    assert_eq!(std::fs::read_dir(&strangers).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_stopped_goes_on() {
    let source = database(Major::V18, "restored");
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, small()).await.unwrap();
    for (after, how) in [(5, How::Now), (30, How::Soon), (60, How::Now)] {
        let target = database(Major::V14, "restored_dst");
        let asked = Stop::default();
        let left = AtomicI64::new(after);
        let observer = OnEvent({
            let asked = asked.clone();
            move |_: &Event<'_>| {
                if left.fetch_sub(1, Ordering::SeqCst) == 0 {
                    stop(&asked, how);
                }
            }
        });
        let to = || Endpoint::parse(Side::Target, &target.url()).unwrap();
        let options = CloneOptions::default();
        let prepared = restore::prepare(archive.clone(), to(), options).await.unwrap();
        let company = (Arc::new(observer) as _, Arc::new(Counters::default()));
        let stopped = prepared.run(company.0, company.1, asked).await.unwrap();
        assert_eq!(stopped.ending, Ending::Stopped, "after {after}");
        until_gone(&[&target]).await;
        let kept: u64 = count(&target, "select count(*) from pghaul.receipt").await;
        let new = restore_from(&archive, &target.url(), CloneOptions::default()).await;
        assert_eq!(new.unwrap_err().kind(), ErrorKind::RunState);
        let copied = Arc::new(AtomicU64::new(0));
        let counting = OnEvent({
            let copied = Arc::clone(&copied);
            move |event: &Event<'_>| {
                if matches!(event, Event::PieceCommitted { .. }) {
                    copied.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let options = CloneOptions { start: Start::Resume, ..CloneOptions::default() };
        let prepared = restore::prepare(archive.clone(), to(), options).await.unwrap();
        let company = (Arc::new(counting) as _, Arc::new(Counters::default()));
        let outcome = prepared.run(company.0, company.1, Stop::default()).await.unwrap();
        assert_eq!(outcome.ending, Ending::Complete);
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        let parts = count(&target, "select count(*) from pghaul.part").await;
        assert_eq!(kept + copied.load(Ordering::SeqCst), parts, "after {after}");
        assert_eq!(recount(&source).await, recount(&target).await);
    }
}

async fn count(database: &Database<'_>, sql: &str) -> u64 {
    database.value(sql).await.unwrap().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_begin_again_from_an_archive_too() {
    let (source, target) = (database(Major::V14, "part_src"), database(Major::V18, "part_dst"));
    fill(&source).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("archive");
    dump_to(&source.url(), &folder, dump_options()).await.unwrap();
    restore_from(&folder, &target.url(), CloneOptions::default()).await.unwrap();
    // By somebody who should not have, and whom nobody asks again.
    target
        .execute("update t1 set v = 'spoiled' where id = 7; update t4 set v = 'spoiled'")
        .await
        .unwrap();
    let start = Start::ResumeRestarting(vec!["*.t1".to_owned(), "*.t4".to_owned()]);
    let again = CloneOptions { start, ..CloneOptions::default() };
    let outcome = restore_from(&folder, &target.url(), again).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(recount(&source).await, recount(&target).await);
    let key = "select count(*) from pg_constraint where contype = 'f' and convalidated \
               and conrelid = 't2'::regclass";
    assert_eq!(target.value(key).await.unwrap().as_deref(), Some("1"));
}

/// The session dies in the middle of a large object: the batch is read again, and of the first try
/// nothing is left in the archive.
#[tokio::test(flavor = "multi_thread")]
async fn large_objects_that_are_read_again_leave_no_files_behind() {
    let source = database(Major::V14, "objects");
    source
        .execute(
            "create table parts (id int, whole bigint, v bytea);
             select lo_from_bytea(5001, decode(repeat(md5('a'), 200000), 'hex'))",
        )
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let (counters, stop) = (Arc::new(Counters::default()), Stop::default());
    let endpoint = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let options = DumpOptions { max_rate: std::num::NonZeroU64::new(1 << 20), ..dump_options() };
    let company = (Arc::new(()) as _, Arc::clone(&counters), stop);
    let dumping =
        tokio::spawn(dump(endpoint, Destination::Folder(archive.clone()), options, company));
    while counters.bytes_read.load(Ordering::SeqCst) < 2 << 20 {
        assert!(!dumping.is_finished());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_ne!(terminate_on(source.server(), source.name(), "pghaul dump read%"), 0);
    assert!(dumping.await.unwrap().unwrap().archive.is_some());
    assert_eq!(check::folder(&Folder::new(&archive)).unwrap(), Vec::<String>::new());
    let target = database(Major::V18, "objects_dst");
    restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    let content = "select md5(lo_get(5001))";
    assert_eq!(source.value(content).await.unwrap(), target.value(content).await.unwrap());
}

/// Somebody has a table for himself that was not asked for: nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_left_out_keeps_no_dump_waiting() {
    for major in [Major::V9_6, Major::V18] {
        let source = database(major, "left_out");
        source
            .execute("create table wanted as select 1 as id; create table held (id int)")
            .await
            .unwrap();
        let holder = source.connect().await.unwrap();
        holder.execute("begin; lock table held").await.unwrap();
        let place = tempfile::tempdir().unwrap();
        let without = DumpOptions { exclude: vec!["public.held".to_owned()], ..dump_options() };
        let (url, archive) = (source.url(), place.path().join("archive"));
        let tables = in_time(dump_to(&url, &archive, without)).await.unwrap().tables;
        assert_eq!(tables.len(), 1, "{major}");
        assert_eq!((tables[0].name.to_string(), tables[0].rows), ("public.wanted".to_owned(), 1));
    }
}
