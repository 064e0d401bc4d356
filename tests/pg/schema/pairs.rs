//! From major to major: every step succeeds, and the result is the one of `pg_restore`, which is
//! the oracle wherever it gets through.

use std::process::Command;

use pghaul::schema::Toc;
use pghaul_testbed::mastodon::Version;
use pghaul_testbed::{Database, Major, clients};

use super::{
    all_steps, differences, dump, empty, environment, every_type, mastodon, rich, run, session,
};

/// What `pg_restore` makes of a database. It complains where the target is older than itself, and
/// goes on.
async fn restored(source: &Database<'_>, major: Major) -> Toc {
    let target = empty(major);
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let dumped = Command::new(clients().unwrap().pg_dump())
        .args([
            "--format=custom",
            "--schema-only",
            "--encoding=UTF8",
            "--no-subscriptions",
            "--quote-all-identifiers",
            "--file",
        ])
        .arg(&archive)
        .envs(environment(source))
        .status()
        .unwrap();
    assert!(dumped.success());
    Command::new(clients().unwrap().pg_restore())
        .arg("--dbname")
        .arg(target.name())
        .arg(&archive)
        .envs(environment(&target))
        .output()
        .unwrap();
    dump(&target).await
}

/// What pghaul makes of it.
async fn made(source: &Toc, major: Major) -> (Toc, Vec<String>) {
    let target = empty(major);
    let session = session(&target).await;
    let steps = all_steps(&source.entries, session.version());
    let failed = run(&session, &steps).await;
    (dump(&target).await, failed)
}

async fn check(from: Major, to: Major, better: &[&str]) {
    same_as_pg_restore(&rich(from), to, better).await;
}

/// `better`: what only pghaul can make.
async fn same_as_pg_restore(source: &Database<'_>, to: Major, better: &[&str]) {
    let archive = dump(source).await;
    let (ours, failed) = made(&archive, to).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let theirs = restored(source, to).await;
    let differences = differences(&theirs.entries, &ours.entries);
    let (better_than, rest): (Vec<String>, Vec<String>) =
        differences.into_iter().partition(|one| {
            better.iter().any(|start| one.starts_with(&format!("only ours: (\"{start}")))
        });
    assert!(rest.is_empty(), "{rest:#?}");
    for start in better {
        let found = better_than.iter().any(|one| one.contains(start));
        assert!(found, "pg_restore has {start} now");
    }
}

/// Tables that `pg_restore` 18 cannot make on servers before 18: `NOT NULL b` as an element.
const CHILDREN: [&str; 2] = ["TABLE app.child3", "TABLE app.child4"];
/// And what belongs to them.
const OF_CHILDREN: [&str; 4] =
    ["TABLE app.child3", "TABLE app.child4", "DEFAULT app.child3", "DEFAULT app.child4"];

#[tokio::test]
async fn from_9_6_to_18() {
    check(Major::V9_6, Major::V18, &[]).await;
}

#[tokio::test]
async fn from_14_to_18() {
    check(Major::V14, Major::V18, &[]).await;
}

#[tokio::test]
async fn from_18_to_18() {
    check(Major::V18, Major::V18, &[]).await;
}

#[tokio::test]
async fn from_9_6_to_14() {
    check(Major::V9_6, Major::V14, &OF_CHILDREN).await;
}

#[tokio::test]
async fn from_9_6_to_13() {
    check(Major::V9_6, Major::V13, &OF_CHILDREN).await;
}

#[tokio::test]
async fn from_10_to_13() {
    check(Major::V10, Major::V13, &OF_CHILDREN).await;
}

#[tokio::test]
async fn from_13_to_16() {
    check(Major::V13, Major::V16, &OF_CHILDREN).await;
}

#[tokio::test]
async fn from_14_to_14() {
    check(Major::V14, Major::V14, &OF_CHILDREN).await;
}

/// Backwards as far as the DDL goes: what fails is what the older server does not know.
#[tokio::test]
async fn from_18_to_14() {
    let source = rich(Major::V18);
    let archive = dump(&source).await;
    let (ours, failed) = made(&archive, Major::V14).await;
    let objects: Vec<&str> = failed.iter().map(|one| one.split(": ").next().unwrap()).collect();
    assert_eq!(
        objects,
        [
            "COLLATION app.builtin",
            "VIEW app.invoker",
            "TABLE app.virtual",
            "CHECK CONSTRAINT app.not_enforced b_check",
            "CONSTRAINT app.nulls nulls_unique, index",
            "CONSTRAINT app.nulls nulls_unique",
            "CONSTRAINT app.periods periods_key",
            "INDEX app.nulls_index",
            "FK CONSTRAINT app.not_enforced not_enforced_a_fkey",
            "FK CONSTRAINT app.set_some set_some_a_b_fkey",
            "FK CONSTRAINT app.set_some set_some_a_b_fkey, validation",
            "PUBLICATION TABLE app.pghaul_rows people",
            "PUBLICATION TABLES IN SCHEMA hidden.pghaul_schemas hidden",
        ],
        "{failed:#?}"
    );
    for table in CHILDREN {
        assert!(ours.entries.iter().any(|entry| entry.to_string() == table), "{table}");
    }
}

/// Of the same kind as [`CHILDREN`].
const NN_CHILD: &str = "TABLE constraints.nn_child";

#[tokio::test]
async fn every_type_from_9_6_to_18() {
    same_as_pg_restore(&every_type(Major::V9_6), Major::V18, &[]).await;
}

#[tokio::test]
async fn every_type_from_14_to_18() {
    same_as_pg_restore(&every_type(Major::V14), Major::V18, &[]).await;
}

#[tokio::test]
async fn every_type_from_18_to_18() {
    same_as_pg_restore(&every_type(Major::V18), Major::V18, &[]).await;
}

#[tokio::test]
async fn every_type_from_9_6_to_13() {
    same_as_pg_restore(&every_type(Major::V9_6), Major::V13, &[NN_CHILD]).await;
}

#[tokio::test]
async fn every_type_from_10_to_13() {
    same_as_pg_restore(&every_type(Major::V10), Major::V13, &[NN_CHILD]).await;
}

#[tokio::test]
async fn mastodon_from_9_6_to_14() {
    let source = mastodon(Major::V9_6, Version::V3_5_3);
    same_as_pg_restore(&source, Major::V14, &[]).await;
}

#[tokio::test]
async fn mastodon_from_10_to_18() {
    let source = mastodon(Major::V10, Version::V4_2_0);
    same_as_pg_restore(&source, Major::V18, &[]).await;
}
