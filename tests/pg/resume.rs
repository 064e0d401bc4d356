//! Stopped anywhere, a run goes on: every row once, nothing that has a receipt copied again.

use pghaul::run::{CloneOptions, Ending, options::Start};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major};

use crate::harness::{How, clone, clone_until, database, options};

/// Parts small enough that one table has several.
fn small_parts() -> CloneOptions {
    CloneOptions { part_size: Some(128 << 10), ..options() }
}

async fn receipts(target: &Database<'_>) -> u64 {
    let count = target.value("select count(*) from pghaul.receipt").await.unwrap();
    count.unwrap().parse().unwrap()
}

async fn stopped_and_resumed(from: Major, to: Major, how: How) {
    let source = database(from, "resume_src");
    let shape = Shape { version: Version::V3_5_3, statuses: 1500, seed: 3 };
    mastodon::create(&source, shape).await.unwrap();
    let before = mastodon::digest(&source.connect().await.unwrap()).await.unwrap();
    let mut made = None;
    for events in [0, 40, 90, 170, 260, 400, 520] {
        let target = database(to, "resume_dst");
        let stopped =
            clone_until(&source.url(), &target.url(), small_parts(), (events, how)).await.unwrap();
        assert_eq!(stopped.ending, Ending::Stopped, "after {events} events");
        let kept = receipts(&target).await;
        let options = CloneOptions { start: Start::Resume, ..options() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        assert_eq!(outcome.ending, Ending::Complete);
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        let after = mastodon::digest(&target.connect().await.unwrap()).await.unwrap();
        assert_eq!(before, after, "after {events} events");
        // The result tells of the whole run, whoever did what.
        let of_all = (outcome.indexes, outcome.constraints);
        assert!(of_all.0 > 100 && of_all.1 > 100, "{of_all:?}");
        assert_eq!(*made.get_or_insert(of_all), of_all, "after {events} events");
        let parts = target.value("select count(*) from pghaul.part").await.unwrap();
        let parts: u64 = parts.unwrap().parse().unwrap();
        assert!(kept <= parts && receipts(&target).await >= parts);
        let invalid =
            target.value("select count(*) from pg_index where not indisvalid").await.unwrap();
        assert_eq!(invalid.as_deref(), Some("0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_once_from_9_6() {
    stopped_and_resumed(Major::V9_6, Major::V18, How::Now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_soon_from_14() {
    stopped_and_resumed(Major::V14, Major::V18, How::Soon).await;
}
