//! A clone arrives: every row, counted again by plain SQL that shares nothing with the engine.

use pghaul::run::Ending;
use pghaul_testbed::Major;
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::oracle::{self, Options as OracleOptions};

use crate::harness::{clone, database, options};

async fn mastodon_arrives(from: Major, to: Major, version: Version) {
    let source = database(from, "masto_src");
    let target = database(to, "masto_dst");
    mastodon::create(&source, Shape { version, statuses: 1000, seed: 7 }).await.unwrap();
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.tables);
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    let report =
        oracle::compare(&source.url(), &target.url(), &OracleOptions::new()).await.unwrap();
    report.check().unwrap();
    let before = mastodon::digest(&source.connect().await.unwrap()).await.unwrap();
    let after = mastodon::digest(&target.connect().await.unwrap()).await.unwrap();
    assert_eq!(before, after);
    assert!(before.len() > 80, "{} tables", before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_9_6_to_18() {
    mastodon_arrives(Major::V9_6, Major::V18, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_10_to_18() {
    mastodon_arrives(Major::V10, Major::V18, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_11_to_18() {
    mastodon_arrives(Major::V11, Major::V18, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_12_to_18() {
    mastodon_arrives(Major::V12, Major::V18, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_13_to_18() {
    mastodon_arrives(Major::V13, Major::V18, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_14_to_18() {
    mastodon_arrives(Major::V14, Major::V18, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_15_to_18() {
    mastodon_arrives(Major::V15, Major::V18, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_16_to_18() {
    mastodon_arrives(Major::V16, Major::V18, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_17_to_18() {
    mastodon_arrives(Major::V17, Major::V18, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_18_to_18() {
    mastodon_arrives(Major::V18, Major::V18, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_9_6_to_14() {
    mastodon_arrives(Major::V9_6, Major::V14, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_10_to_13() {
    mastodon_arrives(Major::V10, Major::V13, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_13_to_16() {
    mastodon_arrives(Major::V13, Major::V16, Version::V4_2_0).await;
}
