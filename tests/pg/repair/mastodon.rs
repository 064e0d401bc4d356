//! Mastodon's tables, damaged on purpose: all that is planned is done, nothing is lost, and undo
//! brings back every byte.

use std::collections::BTreeSet;

use pghaul_testbed::damage::{Order, Recipe};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major, Session};

use super::{Paper, clean, digests, majors, orphans, plan_mastodon, repair, undo};
use crate::harness::database;

/// A small Mastodon.
pub(crate) fn small(major: Major, version: Version, hint: &str) -> Database<'static> {
    fill(database(major, hint), version)
}

/// Makes an empty database that small Mastodon.
pub(crate) fn fill(database: Database<'static>, version: Version) -> Database<'static> {
    mastodon::create(&database, Shape { version, statuses: 3000, seed: 7 }).wait().unwrap();
    database
}

/// References without a foreign key that refer to nothing, whichever row they stand in.
pub(crate) async fn dangling(database: &Database<'_>) -> BTreeSet<(String, String)> {
    let off =
        "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off;";
    let sql = format!("{off}{}", include_str!("dangling.sql"));
    let rows = database.query_text(sql).await.unwrap();
    rows.into_iter().map(|mut row| (row.remove(0).unwrap(), row.remove(1).unwrap())).collect()
}

/// No reference refers to nothing that did not before.
pub(crate) async fn nothing_dangles_anew(
    database: &Database<'_>,
    before: &BTreeSet<(String, String)>,
) {
    let now = dangling(database).await;
    let anew: Vec<_> = now.difference(before).collect();
    assert!(anew.is_empty(), "{anew:?}");
}

/// Facts, by names that merging does not change.
pub(crate) async fn facts(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let sql = include_str!("facts.sql");
    let off =
        "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off;";
    database.query_text(format!("{off}{sql}")).await.unwrap()
}

/// Duplicates in statuses, conversations, accounts, with everything that refers to them.
async fn plant_main(session: &Session, recipe: Recipe) -> usize {
    let mut groups = 0;
    for damage in [
        mastodon::duplicate_conversations(recipe.clone()).groups(8),
        mastodon::duplicate_statuses(recipe.clone()).groups(20).extra(2),
        mastodon::duplicate_accounts(recipe.clone()).groups(10),
    ] {
        groups += damage.plant(session).await.unwrap().groups.len();
    }
    groups
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_data_gives_the_same_plan() {
    for major in majors(&[Major::V14]) {
        let database = small(major, Version::V4_2_0, "same_plan");
        let session = database.connect().await.unwrap();
        let groups = plant_main(&session, Recipe::DoubleEntries).await;
        let paper = Paper::new();
        let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
        plan_mastodon(&database.url(), &paper.other()).await.unwrap();
        let (one, other) =
            (std::fs::read(paper.plan()).unwrap(), std::fs::read(paper.other()).unwrap());
        assert!(one == other);
        assert_eq!(planned.counts.groups - planned.counts.collisions, groups as u64);
        assert_eq!(planned.counts.questions, 0);
    }
}

/// Plan, repair, look; undo, look.
async fn there_and_back(major: Major, version: Version, recipe: Recipe) {
    let database = small(major, version, "there_and_back");
    let session = database.connect().await.unwrap();
    let groups = plant_main(&session, recipe).await;
    let (before, known) = (digests(&database).await, facts(&database).await);
    assert!(orphans(&database).await.is_empty());
    let loose = dangling(&database).await;

    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!(planned.counts.groups - planned.counts.collisions, groups as u64);
    assert_eq!(planned.counts.questions, 0, "{planned:?}");
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.asked), (0, 0), "{:?}", repaired.findings);
    assert_eq!(repaired.deleted, planned.counts.deleted);
    clean(&database).await;
    equal(&known, &facts(&database).await);
    nothing_dangles_anew(&database, &loose).await;

    let error = undo(&database.url(), false).await.unwrap_err();
    assert!(error.to_string().contains("index_statuses_on_uri"), "{error:?}");
    let undone = undo(&database.url(), true).await.unwrap();
    assert!(!undone.statements.is_empty());
    equal(&before, &digests(&database).await);
    assert!(orphans(&database).await.is_empty());
}

/// Row by row, so that a difference can be read.
pub(crate) fn equal(before: &[Vec<Option<String>>], after: &[Vec<Option<String>>]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_9_6() {
    there_and_back(Major::V9_6, Version::V3_5_3, Recipe::MissingEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_10() {
    there_and_back(Major::V10, Version::V3_5_3, Recipe::DoubleEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_14() {
    there_and_back(Major::V14, Version::V4_2_0, Recipe::WrongOrder(Order::Reversed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_18() {
    there_and_back(Major::V18, Version::V4_2_0, Recipe::DoubleEntries).await;
}
