//! The source is let go as soon as nothing more is read in its snapshot, whatever is still being built or
//! read back.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, dump};
use pghaul::event::{Counters, Event, Phase};
use pghaul::run::{CloneOptions, Ending, Stop};
use pghaul_testbed::{Major, Server};

use crate::archive::harness::dump_options;
use crate::harness::{OnEvent, TABLES, database, fill, in_time, one_by_one, prepare, recount};

/// The only lane that builds indexes is stuck with the first: tables are loaded and read back all the
/// same, and nobody holds the snapshot any more.
async fn while_an_index_is_built(major: Major) {
    let (source, target) = (database(major, "built_src"), database(Major::V18, "built_dst"));
    fill(&source).await;
    let (server, name) = (target.server(), target.name().to_owned());
    let locked = Arc::new(Mutex::new(None));
    let (holder, verified) = (Arc::clone(&locked), Arc::new(AtomicUsize::new(0)));
    let read_back = Arc::clone(&verified);
    let observer = OnEvent(move |event: &Event<'_>| match event {
        Event::Planned { .. } => {
            let session = server.connect(&name).wait().unwrap();
            let tables: Vec<String> = (1..=TABLES).map(|table| format!("t{table}")).collect();
            // Rows go in beside this lock, indexes do not.
            let lock = format!("begin; lock table {} in row exclusive mode", tables.join(", "));
            session.execute(lock).wait().unwrap();
            *holder.lock().unwrap() = Some(session);
        }
        Event::TableVerified { .. } => drop(read_back.fetch_add(1, Ordering::SeqCst)),
        _ => {}
    });
    let one_lane = CloneOptions { index_jobs: NonZeroUsize::MIN, ..one_by_one() };
    let prepared = prepare(&source.url(), &target.url(), one_lane).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    let ours = "select count(*) from pg_stat_activity where datname = current_database() \
                and application_name like 'pghaul %'";
    let let_go = async {
        while verified.load(Ordering::SeqCst) < TABLES
            || source.value(ours).await.unwrap().as_deref() != Some("0")
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let session = locked.lock().unwrap().take().unwrap();
        session.execute("rollback").await.unwrap();
    };
    let (outcome, ()) = in_time(async { tokio::join!(run, let_go) }).await;
    assert_eq!(outcome.unwrap().ending, Ending::Complete);
    assert_eq!(recount(&source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_holds_the_snapshot_while_indexes_are_built() {
    while_an_index_is_built(Major::V9_6).await;
    while_an_index_is_built(Major::V14).await;
}

/// An archive is read back from its folder, and the source may vacuum meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_holds_the_snapshot_while_an_archive_is_read_back() {
    let source = database(Major::V14, "read_back_src");
    fill(&source).await;
    let (server, name) = (source.server(), source.name().to_owned());
    let held = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&held);
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::PhaseStarted(Phase::PostData) = event {
            seen.lock().unwrap().extend(snapshots(server, &name));
        }
    });
    let place = tempfile::tempdir().unwrap();
    let to = Destination::Folder(place.path().join("archive"));
    let endpoint = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let company = (Arc::new(observer) as _, Arc::new(Counters::default()), Stop::default());
    assert!(dump(endpoint, to, dump_options(), company).await.unwrap().archive.is_some());
    assert_eq!(*held.lock().unwrap(), ["0"], "sessions that hold the snapshot");
}

/// How many sessions of ours hold a snapshot: none, once the last of them is gone, else some after a
/// while.
fn snapshots(server: &Server, database: &str) -> Option<String> {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' \
         and application_name like 'pghaul %' and state = 'idle in transaction'"
    );
    let mut count = None;
    for _ in 0..500 {
        count = server.value(sql.as_str()).wait().unwrap();
        if count.as_deref() == Some("0") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    count
}
