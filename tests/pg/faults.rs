//! Sessions, servers and answers that get lost in mid-run: it goes on in the same process, and
//! every row arrives once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Outcome, Stop};
use pghaul_testbed::proxy::Commit;
use pghaul_testbed::{Database, Major, Options, Proxy, Role, Server};

use crate::harness::{
    OnEvent, TABLES, clone, clone_while, database, fill, options, prepare, recount, terminate_on,
};

fn assert_arrived(outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
}

async fn keeper_dies(from: Major) {
    let (source, target) = (database(from, "keeper_src"), database(Major::V18, "keeper_dst"));
    fill(&source).await;
    let before = recount(&source).await;
    let (server, name) = (source.server(), source.name().to_owned());
    let killed = Arc::new(AtomicU64::new(0));
    let pieces = Arc::new(AtomicU64::new(0));
    let (kills, seen) = (Arc::clone(&killed), Arc::clone(&pieces));
    let one_job = CloneOptions { jobs: std::num::NonZeroUsize::MIN, ..options() };
    let outcome = clone_while(&source.url(), &target.url(), one_job, move |piece| {
        seen.store(piece, Ordering::SeqCst);
        if piece == 2 || piece == 6 {
            // What is written from now on is not of the snapshot.
            let sql = format!("insert into t12 values ({piece}000, 'late', 'late{piece}')");
            let end = server.connect(&name).wait().unwrap();
            end.execute(sql).wait().unwrap();
            kills.fetch_add(terminate_on(server, &name, "pghaul% keeper"), Ordering::SeqCst);
            // The lane has to import the snapshot anew, under its new name.
            terminate_on(server, &name, "pghaul% copy%");
        }
    })
    .await
    .unwrap();
    assert_arrived(&outcome);
    assert!(killed.load(Ordering::SeqCst) >= 1);
    assert_eq!(outcome.consistency, "snapshot");
    assert_eq!(pieces.load(Ordering::SeqCst), TABLES as u64, "nothing starts over");
    assert_eq!(before, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keepers_death_hands_the_snapshot_on_9_6() {
    keeper_dies(Major::V9_6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keepers_death_hands_the_snapshot_on_18() {
    keeper_dies(Major::V18).await;
}

/// Ends sessions on one side three times in mid-copy.
async fn sessions_die(from: Major, on_target: bool, like: &'static str) -> Outcome {
    let (source, target) = (database(from, "kill_src"), database(Major::V18, "kill_dst"));
    fill(&source).await;
    let side = if on_target { &target } else { &source };
    let (server, name) = (side.server(), side.name().to_owned());
    let struck = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&struck);
    let outcome = clone_while(&source.url(), &target.url(), options(), move |piece| {
        if piece % 4 == 1 {
            count.fetch_add(terminate_on(server, &name, like), Ordering::SeqCst);
        }
    })
    .await
    .unwrap();
    assert!(struck.load(Ordering::SeqCst) >= 3);
    assert_arrived(&outcome);
    assert_eq!(recount(&source).await, recount(&target).await);
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_die_are_replaced() {
    assert_eq!(sessions_die(Major::V14, false, "pghaul% copy%").await.consistency, "snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_die_are_replaced() {
    assert_eq!(sessions_die(Major::V9_6, true, "pghaul% copy%").await.consistency, "snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_sessions_death_is_a_resume_in_the_same_process() {
    sessions_die(Major::V14, true, "pghaul%").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_on_the_source_die_at_once() {
    // Nobody has the snapshot any more; nothing else writes, or it does: proven either way.
    let outcome = sessions_die(Major::V14, false, "pghaul%").await;
    assert!(["proven-unchanged", "reverified"].contains(&outcome.consistency));
}

/// Crashes a whole server in mid-copy, once.
async fn server_crashes(from: Major, target_crashes: bool) -> Outcome {
    let quiet = Options::new().set("autovacuum", "off");
    let theirs = Arc::new(Server::start(from, &quiet).unwrap());
    let ours = Arc::new(Server::start(Major::V18, &quiet).unwrap());
    let (source, target) =
        (Database::new(&theirs, "crash_src").unwrap(), Database::new(&ours, "crash_dst").unwrap());
    fill(&source).await;
    let server = Arc::clone(if target_crashes { &ours } else { &theirs });
    let outcome = clone_while(&source.url(), &target.url(), options(), move |piece| {
        if piece == 5 {
            server.crash().unwrap();
            let server = Arc::clone(&server);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(1));
                server.start_again().unwrap();
            });
        }
    })
    .await
    .unwrap();
    assert_arrived(&outcome);
    assert_eq!(recount(&source).await, recount(&target).await);
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_server_crashes() {
    // A crash may give transaction ids out again, so nothing is proven by them.
    assert_eq!(server_crashes(Major::V9_6, false).await.consistency, "reverified");
    assert_eq!(server_crashes(Major::V18, false).await.consistency, "reverified");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_server_crashes() {
    server_crashes(Major::V14, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_of_commit_doubles_no_row() {
    let (source, target) = (database(Major::V14, "ack_src"), database(Major::V18, "ack_dst"));
    fill(&source).await;
    for fate in [Commit::LoseAnswer, Commit::Lose] {
        let proxy = Arc::new(Proxy::to(target.server()).unwrap());
        let database = Database::new(target.server(), "ack_dst").unwrap();
        let url = proxy.url(database.name());
        let network = Arc::clone(&proxy);
        let outcome = clone_while(&source.url(), &url, options(), move |piece| {
            if piece % 3 == 1 {
                network.on_commit(1, fate);
            }
        })
        .await
        .unwrap();
        assert!(proxy.counts().commits > 0);
        assert_arrived(&outcome);
        assert_eq!(recount(&source).await, recount(&database).await, "{fate:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggressive_timeouts_of_the_servers_do_not_stop_a_run() {
    let (source, target) = (database(Major::V14, "late_src"), database(Major::V18, "late_dst"));
    fill(&source).await;
    for side in [&source, &target] {
        for setting in [
            "statement_timeout = '5ms'",
            "lock_timeout = '1ms'",
            "idle_in_transaction_session_timeout = '5ms'",
            "idle_session_timeout = '5ms'",
        ] {
            side.execute(format!("alter database {} set {setting}", side.name())).await.unwrap();
        }
    }
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert_arrived(&outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_limit_is_reached_at_times() {
    let (source, target) = (database(Major::V14, "limit_src"), database(Major::V18, "limit_dst"));
    fill(&source).await;
    let role = Role::create(source.server(), "limited", "superuser").unwrap();
    let (server, name) = (source.server(), source.name().to_owned());
    let url = source.url_as(&role);
    let retried = Arc::new(AtomicU64::new(0));
    let (retries, pieces) = (Arc::clone(&retried), AtomicU64::new(0));
    let (limited, user) = (name.clone(), role.name.clone());
    let observer = OnEvent(move |event: &Event<'_>| match event {
        // Neither a superuser nor its sessions are limited, so the role is one no more.
        Event::PieceCommitted { .. } if pieces.fetch_add(1, Ordering::SeqCst) == 2 => {
            let sql = format!(
                "alter role {user} nosuperuser connection limit 0; grant pg_read_all_data to {user}"
            );
            server.execute(sql).wait().unwrap();
            terminate_on(server, &limited, "pghaul% copy%");
        }
        Event::Retrying { what, .. } if what.contains("53300") => {
            if retries.fetch_add(1, Ordering::SeqCst) == 2 {
                let sql = format!("alter role {user} superuser connection limit -1");
                server.execute(sql).wait().unwrap();
            }
        }
        _ => {}
    });
    let outcome = prepare(&url, &target.url(), options())
        .await
        .unwrap()
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    assert!(retried.load(Ordering::SeqCst) >= 3);
    assert_arrived(&outcome);
}
