//! Every type and every kind of object, from every major to the newest, and along the upgrades
//! that people make. The oracle shares nothing with the engine: it counts again in plain SQL,
//! compares dumps by one `pg_dump`, and what dumps do not show.

use pghaul::run::{CloneOptions, Ending};
use pghaul::{Finding, Severity};
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Major, Server};

use crate::harness::{clone, database, options};

async fn every_type_arrives(from: Major, to: Major) {
    let source = database(from, "every_src");
    let target = database(to, "every_dst");
    every_type::load(&source, &Families::default()).await.unwrap();
    every_type::create_roles(Server::shared(to).unwrap()).await.unwrap();
    let options = CloneOptions { part_size: Some(64 << 10), ..options() };
    let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    // What an older target cannot have is said; nothing else is wrong.
    let wrong = |found: &&Finding| found.severity > Severity::Note && found.code != "not_carried";
    let wrong: Vec<&Finding> = outcome.findings.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    let report =
        oracle::compare(&source.url(), &target.url(), &OracleOptions::new()).await.unwrap();
    report.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_9_6_to_18() {
    every_type_arrives(Major::V9_6, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_10_to_18() {
    every_type_arrives(Major::V10, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_11_to_18() {
    every_type_arrives(Major::V11, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_12_to_18() {
    every_type_arrives(Major::V12, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_13_to_18() {
    every_type_arrives(Major::V13, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_14_to_18() {
    every_type_arrives(Major::V14, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_15_to_18() {
    every_type_arrives(Major::V15, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_16_to_18() {
    every_type_arrives(Major::V16, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_17_to_18() {
    every_type_arrives(Major::V17, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_18_to_18() {
    every_type_arrives(Major::V18, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_9_6_to_14() {
    every_type_arrives(Major::V9_6, Major::V14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_10_to_13() {
    every_type_arrives(Major::V10, Major::V13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_13_to_16() {
    every_type_arrives(Major::V13, Major::V16).await;
}
