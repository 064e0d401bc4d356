//! Going on after the snapshot is gone: proven unchanged, read again, or refused with names.

use pghaul::ErrorKind;
use pghaul::run::{CloneOptions, Ending, Outcome, options::Start};
use pghaul_testbed::{Database, Major, Options, Server};

use crate::harness::{How, TABLES, clone, clone_until, database, fill, options, recount};

/// A server of one's own on which nothing happens by itself.
fn quiet(major: Major) -> Server {
    let options = Options::new()
        .set("autovacuum", "off")
        .set("log_statement", "all")
        .set("synchronous_commit", "off");
    Server::start(major, &options).unwrap()
}

fn one_job() -> CloneOptions {
    CloneOptions { jobs: std::num::NonZeroUsize::MIN, ..options() }
}

/// Stops a clone when some tables have arrived and others have not; gives how many have.
async fn stopped(source: &Database<'_>, target: &Database<'_>, events: i64) -> usize {
    let end = (events, How::Now);
    let outcome = clone_until(&source.url(), &target.url(), one_job(), end).await.unwrap();
    assert_eq!(outcome.ending, Ending::Stopped);
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
async fn other_changes_of_the_source_are_found() {
    let source = database(Major::V14, "other_src");
    fill(&source).await;
    for (change, back) in [
        ("create table new (id int)", "drop table new"),
        ("alter table t3 add gone int", "alter table t3 drop gone"),
        ("select lo_put(4711, 1, 'x')", "select lo_put(4711, 1, 'b')"),
        ("select lo_from_bytea(4712, 'new')", "select lo_unlink(4712)"),
        ("create index later on t4 (u, v)", "drop index later"),
    ] {
        let target = database(Major::V18, "other_dst");
        // The large object is copied after the tables, so nearly to the end.
        let until = (30, How::Now);
        clone_until(&source.url(), &target.url(), one_job(), until).await.unwrap();
        source.execute(change).await.unwrap();
        let result = resume(&source, &target, Start::Resume).await;
        source.execute(back).await.unwrap();
        match result {
            Err(error) => assert_eq!(error.kind(), ErrorKind::SnapshotGone, "{change}: {error:?}"),
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
    clone_until(&url, &target.url(), one_job(), (8, How::Now)).await.unwrap();
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
