//! A standby as the source whose replay cancels what we read: tried again, and done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Stop};
use pghaul_testbed::{Database, Major, Options, Server};

use crate::harness::{OnEvent, database, fill, one_by_one, prepare, recount};

async fn conflicts(from: Major) {
    let settings = Options::new()
        .set("autovacuum", "off")
        .set("max_standby_streaming_delay", "10ms")
        .set("hot_standby_feedback", "off");
    let primary = Arc::new(Server::start(from, &settings).unwrap());
    let source = Database::new(&primary, "conflict_src").unwrap();
    fill(&source).await;
    // Not carried, but its vacuum removes rows that every older snapshot might look at.
    source.execute("create table churn as select generate_series(1, 1000) id").await.unwrap();
    let standby = primary.standby().unwrap();
    standby.catch_up_with(&primary).unwrap();

    let target = database(Major::V18, "conflict_dst");
    let pieces = AtomicU64::new(0);
    let retried = Arc::new(AtomicU64::new(0));
    let retries = Arc::clone(&retried);
    let (writer, name) = (Arc::clone(&primary), source.name().to_owned());
    let observer = OnEvent(move |event: &Event<'_>| match event {
        Event::PieceCommitted { .. } => {
            let piece = pieces.fetch_add(1, Ordering::SeqCst) + 1;
            if [3, 6, 9].contains(&piece) {
                // While the next table is read.
                let (writer, name) = (Arc::clone(&writer), name.clone());
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    let end = writer.connect(&name).wait().unwrap();
                    end.execute("update churn set id = id + 1").wait().unwrap();
                    end.execute("vacuum churn").wait().unwrap();
                });
            }
        }
        Event::Retrying { .. } => drop(retries.fetch_add(1, Ordering::SeqCst)),
        _ => {}
    });
    let slowly = CloneOptions {
        max_rate: std::num::NonZeroU64::new(200_000),
        exclude: vec!["public.churn".to_owned()],
        ..one_by_one()
    };
    let outcome = prepare(&standby.url(source.name()), &target.url(), slowly)
        .await
        .unwrap()
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(outcome.consistency, "reverified", "on {from}");
    assert!(retried.load(Ordering::SeqCst) >= 3);
    // Each time several sessions at once.
    let conflicts = standby.log().matches("due to conflict with recovery").count();
    assert!(conflicts >= 3, "{conflicts} conflicts on {from}");
    assert_eq!(recount(&source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_with_recovery_do_not_stop_a_run() {
    conflicts(Major::V14).await;
    conflicts(Major::V18).await;
}
