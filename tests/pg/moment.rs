//! Going on after the snapshot is gone: proven unchanged, read again, or refused with names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pghaul::ErrorKind;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event};
use pghaul::run::moment::Moment;
use pghaul::run::{CloneOptions, Ending, Outcome, Stop, options::Start};
use pghaul::snapshot::Keeper;
use pghaul_testbed::servers::OURS;
use pghaul_testbed::{Database, Major, Options, Server};

use crate::harness::{
    How, OnEvent, TABLES, clone, clone_until, database, fill, one_by_one, options, prepare,
    recount, terminate_on, until_gone, until_there_is_an_heir,
};

/// A server of one's own on which nothing happens by itself.
fn quiet(major: Major) -> Server {
    let options = Options::new()
        .set("autovacuum", "off")
        .set("log_statement", "all")
        .set("synchronous_commit", "off");
    Server::start(major, &options).unwrap()
}

/// Stops a clone when some tables have arrived and others have not; gives how many have.
async fn stopped(source: &Database<'_>, target: &Database<'_>, events: i64) -> usize {
    let end = (events, How::Now);
    let outcome = clone_until(&source.url(), &target.url(), one_by_one(), end).await.unwrap();
    assert_eq!(outcome.ending, Ending::Stopped);
    until_gone(&[source, target]).await;
    let kept = target.value("select count(*) from pghaul.receipt").await.unwrap().unwrap();
    let kept = kept.parse().unwrap();
    assert!(kept > 0 && kept < TABLES, "{kept} tables");
    kept
}

async fn resume(
    source: &Database<'_>,
    target: &Database<'_>,
    start: Start,
) -> Result<Outcome, pghaul::Error> {
    until_gone(&[source]).await;
    let options = CloneOptions { start, ..options() };
    clone(&source.url(), &target.url(), options).await
}

fn assert_whole(outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
}

async fn idle_source(from: Major) {
    let server = quiet(from);
    let source = Database::new(&server, "idle").unwrap();
    fill(&source).await;
    let target = database(Major::V18, "idle_dst");
    let kept = stopped(&source, &target, 8).await;
    let before = server.log().len();
    let outcome = resume(&source, &target, Start::Resume).await.unwrap();
    assert_whole(&outcome);
    assert_eq!(outcome.consistency, "proven-unchanged", "{from}");
    let read = server.log()[before..].matches("copy (select ").count();
    assert_eq!(read, TABLES - kept, "tables read, on {from}");
    assert_eq!(recount(&source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_source_is_proven_unchanged_and_not_read_again() {
    idle_source(Major::V9_6).await;
    idle_source(Major::V14).await;
    idle_source(Major::V18).await;
}

/// On 9.6 each export takes a transaction id: those of heirs are counted as ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_handed_on_is_no_write_of_somebody_else() {
    let server = quiet(Major::V9_6);
    let source = Database::new(&server, "handed").unwrap();
    fill(&source).await;
    let target = database(Major::V18, "handed_dst");
    let slow = CloneOptions { max_rate: std::num::NonZeroU64::new(200_000), ..one_by_one() };
    let stop = Stop::default();
    let prepared = prepare(&source.url(), &target.url(), slow).await.unwrap();
    let run = tokio::spawn(prepared.run(Arc::new(()), Arc::new(Counters::default()), stop.clone()));
    let until = async |question: &str| {
        for _ in 0..3000 {
            // The state is not there from the beginning.
            if target.value(question).await.ok().flatten().as_deref() == Some("t") {
                return;
            }
            assert!(!run.is_finished(), "{question}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("never: {question}");
    };
    until("select count(*) > 0 from pghaul.receipt").await;
    let name = target.value("select snapshot from pghaul.run").await.unwrap().unwrap();
    until_there_is_an_heir(&source, TABLES);
    assert_eq!(terminate_on(&server, source.name(), "pghaul% keeper"), 1);
    until(&format!("select snapshot <> '{name}' from pghaul.run")).await;
    stop.now.cancel();
    assert_eq!(run.await.unwrap().unwrap().ending, Ending::Stopped);
    let outcome = resume(&source, &target, Start::Resume).await.unwrap();
    assert_whole(&outcome);
    assert_eq!(outcome.consistency, "proven-unchanged");
    assert_eq!(recount(&source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_elsewhere_costs_the_proof_but_not_the_pieces() {
    let source = database(Major::V14, "moved_src");
    fill(&source).await;
    source.execute("create table quiet (id int)").await.unwrap();
    let target = database(Major::V18, "moved_dst");
    stopped(&source, &target, 8).await;
    let first = target
        .value("select string_agg(part || ' ' || committed, ',' order by committed) from pghaul.receipt")
        .await
        .unwrap()
        .unwrap();
    source.value("select txid_current()").await.unwrap();
    source.execute("select nextval('loose'), nextval('loose')").await.unwrap();
    let outcome = resume(&source, &target, Start::Resume).await.unwrap();
    assert_whole(&outcome);
    assert_eq!(outcome.consistency, "reverified");
    let all = target
        .value("select string_agg(part || ' ' || committed, ',' order by committed) from pghaul.receipt")
        .await
        .unwrap()
        .unwrap();
    assert!(all.starts_with(&first), "the finished pieces stay as they are");
    assert_eq!(recount(&source).await, recount(&target).await);
    let sequence = target.value("select last_value from loose").await.unwrap();
    assert_eq!(sequence.as_deref(), Some("2"), "sequences are read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_table_is_named_and_begins_again_alone() {
    for from in [Major::V9_6, Major::V18] {
        let source = database(from, "changed_src");
        fill(&source).await;
        let target = database(Major::V18, "changed_dst");
        stopped(&source, &target, 8).await;
        let parts = target
            .query_text(
                "select n.table_name, r.committed from pghaul.receipt r \
                 join pghaul.part p on p.id = r.part join pghaul.relation n on n.id = p.relation \
                 order by r.committed",
            )
            .await
            .unwrap();
        let changed = parts[0][0].clone().unwrap();
        source.execute(format!("update {changed} set u = 'other' where id = 77")).await.unwrap();
        let error = resume(&source, &target, Start::Resume).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SnapshotGone);
        let said = format!("{error:?}");
        assert!(said.contains(&format!("`public.{changed}`")), "{said}");
        for row in &parts[1..] {
            assert!(!said.contains(&format!("`public.{}`", row[0].as_deref().unwrap())), "{said}");
        }
        let again = Start::ResumeRestarting(vec![format!("public.{changed}")]);
        let outcome = resume(&source, &target, again).await.unwrap();
        assert_whole(&outcome);
        assert_eq!(recount(&source).await, recount(&target).await);
        for row in &parts[1..] {
            let (table, committed) = (row[0].as_deref().unwrap(), row[1].as_deref().unwrap());
            let same = target
                .value(format!(
                    "select count(*) from pghaul.receipt r join pghaul.part p on p.id = r.part \
                     join pghaul.relation n on n.id = p.relation \
                     where n.table_name = '{table}' and r.committed = '{committed}'"
                ))
                .await
                .unwrap();
            assert_eq!(same.as_deref(), Some("1"), "{table} was copied again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_resume_takes_rows_away() {
    let settings = Options::new().set("autovacuum", "off").set("log_statement", "all");
    let ours = Server::start(Major::V18, &settings).unwrap();
    for from in [Major::V9_6, Major::V18] {
        let source = database(from, "keeps_src");
        fill(&source).await;
        let target = Database::new(&ours, "keeps_dst").unwrap();
        let small = || CloneOptions { part_size: Some(64 << 10), ..one_by_one() };
        let first = (source.url(), target.url());
        let end = (10, How::Now);
        clone_until(&first.0, &first.1, small(), end).await.unwrap();
        for events in [8, 30] {
            source.value("select txid_current()").await.unwrap();
            let again = CloneOptions { start: Start::Resume, ..small() };
            clone_until(&first.0, &first.1, again, (events, How::Now)).await.unwrap();
        }
        let outcome = resume(&source, &target, Start::Resume).await.unwrap();
        assert_whole(&outcome);
        assert_eq!(recount(&source).await, recount(&target).await);
    }
    let log = ours.log().to_lowercase();
    let statements: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("truncate") || line.contains("delete from"))
        .filter(|line| !line.contains("delete from pghaul."))
        .collect();
    assert!(log.contains("copy \"public\".\"t1\""), "the log says nothing");
    assert!(statements.is_empty(), "{statements:?}");
}

/// By then all rows and large objects have arrived.
async fn until_some_tables_are_read_back(source: &Database<'_>, target: &Database<'_>) {
    let (stop, verified) = (Stop::default(), AtomicU64::new(0));
    let end = stop.clone();
    let observer = OnEvent(move |event: &Event<'_>| {
        let third = matches!(event, Event::TableVerified { .. })
            && verified.fetch_add(1, Ordering::SeqCst) == 2;
        if third {
            end.now.cancel();
        }
    });
    prepare(&source.url(), &target.url(), one_by_one())
        .await
        .unwrap()
        .run(Arc::new(observer), Arc::new(Counters::default()), stop)
        .await
        .unwrap();
    let done = "select count(*) from pghaul.step where kind = 'LARGE OBJECTS'";
    assert_eq!(target.value(done).await.unwrap().as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_changes_of_the_source_are_found() {
    let source = database(Major::V14, "other_src");
    fill(&source).await;
    source.execute("alter table t4 add gone int; create table old (id int)").await.unwrap();
    for (change, back) in [
        ("create table new (id int)", "drop table new"),
        ("alter table t4 drop gone", "alter table t4 add gone int"),
        ("alter table t3 add gone int", "alter table t3 drop gone"),
        ("select lo_put(4711, 1, 'x')", "select lo_put(4711, 1, 'b')"),
        ("select lo_from_bytea(4712, 'new')", "select lo_unlink(4712)"),
        ("create index later on t4 (u, v)", "drop index later"),
        ("drop table old", "create table old (id int)"),
    ] {
        let target = database(Major::V18, "other_dst");
        until_some_tables_are_read_back(&source, &target).await;
        source.execute(change).await.unwrap();
        let result = resume(&source, &target, Start::Resume).await;
        source.execute(back).await.unwrap();
        match result {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::SnapshotGone, "{change}: {error:?}");
                if change == "drop table old" {
                    assert!(error.to_string().contains("`public.old` was dropped"), "{error:?}");
                }
            }
            Ok(outcome) => panic!("{change}: {:?}", outcome.consistency),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_standby_nor_a_crash_is_ever_proven_unchanged() {
    let server = quiet(Major::V14);
    let source = Database::new(&server, "never").unwrap();
    fill(&source).await;
    let standby = server.standby().unwrap();
    standby.catch_up_with(&server).unwrap();
    let target = database(Major::V18, "never_dst");
    let url = standby.url(source.name());
    clone_until(&url, &target.url(), one_by_one(), (8, How::Now)).await.unwrap();
    standby.until_left(source.name(), OURS).await.unwrap();
    let options_again = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&url, &target.url(), options_again).await.unwrap();
    assert_whole(&outcome);
    assert_eq!(outcome.consistency, "reverified");
    drop(standby);

    let target = database(Major::V18, "never_dst");
    stopped(&source, &target, 8).await;
    server.crash().unwrap();
    server.start_again().unwrap();
    let outcome = resume(&source, &target, Start::Resume).await.unwrap();
    assert_whole(&outcome);
    assert_eq!(outcome.consistency, "reverified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_truncated_behind_a_snapshot_that_nobody_locked_is_noticed() {
    for from in [Major::V9_6, Major::V18] {
        let source = database(from, "behind_src");
        fill(&source).await;
        let holder = source.connect().await.unwrap();
        holder.execute("begin transaction isolation level repeatable read").await.unwrap();
        let id = holder.value("select pg_export_snapshot()").await.unwrap().unwrap();
        source.execute("truncate t5").await.unwrap();
        let target = database(Major::V18, "behind_dst");
        let options = CloneOptions { snapshot: Some(id), ..options() };
        let error = clone(&source.url(), &target.url(), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SnapshotGone);
        assert!(format!("{error:?}").contains("`public.t5`"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_held_elsewhere_is_what_is_cloned() {
    let source = database(Major::V14, "held_src");
    fill(&source).await;
    let before = recount(&source).await;
    let end = Endpoint::parse(Side::Source, &source.url());
    let held = pghaul::snapshot::hold(end.unwrap()).await.unwrap();
    let id = held.id().unwrap().as_str().to_owned();
    source.execute("insert into t1 values (9000, 'late', 'late')").await.unwrap();
    let target = database(Major::V18, "held_dst");
    let options = CloneOptions { snapshot: Some(id.clone()), ..options() };
    let outcome = clone(&source.url(), &target.url(), options.clone()).await.unwrap();
    assert_whole(&outcome);
    assert_eq!((outcome.consistency, before), ("snapshot", recount(&target).await));
    drop(held);
    let target = database(Major::V18, "held_dst");
    let mut gone = None;
    for _ in 0..200 {
        // The server has to notice that the holder is gone.
        let target = Database::new(target.server(), "held_dst").unwrap();
        match clone(&source.url(), &target.url(), options.clone()).await {
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            Err(error) => {
                assert!(error.hint().unwrap().contains("pghaul snapshot"), "{error:?}");
                gone = Some(error.kind());
                break;
            }
        }
    }
    assert_eq!(gone, Some(ErrorKind::SnapshotGone));
}

/// Two ids are ours, and two have ended: were ids only counted, somebody's write would pass for the one of
/// ours that is still in progress.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_between_two_exports_is_not_taken_for_one_of_them() {
    let server = quiet(Major::V9_6);
    for written in [false, true] {
        let source = Database::new(&server, "between_src").unwrap();
        source.execute("create table t (id int)").await.unwrap();
        let endpoint = Endpoint::parse(Side::Source, &source.url()).unwrap();
        let keeper = || Keeper::start(&endpoint, |_| true);
        let first = keeper().await.unwrap();
        let then = Moment::read(first.session()).await.unwrap();
        first.release().await;
        if written {
            source.execute("insert into t values (1)").await.unwrap();
        }
        // Has exported too, and has not ended where somebody wrote.
        let heir = keeper().await.unwrap();
        let undead = if written {
            Some(heir)
        } else {
            heir.release().await;
            None
        };
        let then = Moment { own_ids: 2, ..then };
        let other = keeper().await.unwrap();
        let now = Moment::read(other.session()).await.unwrap();
        assert_eq!(then.proves_unchanged(&now), !written, "{then:?} {now:?}");
        drop((undead, other));
        until_gone(&[&source]).await;
    }
}
