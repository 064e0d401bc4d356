//! What is on the target already.

use pghaul::preflight::{Carry, Intent};
use pghaul_testbed::{Database, Major, Server};

use super::{check, check_as, objects};

fn empty(major: Major) -> Database<'static> {
    Database::new(Server::shared(major).unwrap(), "place").unwrap()
}

const MADE: &str = "
    create schema app;
    create type app.mood as enum ('a');
    create table app.people (id serial primary key, mood app.mood);
    create view app.shown as select 1 as a;
    create function app.twice(integer, text) returns integer language sql as 'select 2';
    select lo_create(4711);
";

#[tokio::test]
async fn everything_of_the_same_name_is_named() {
    for (from, to) in [(Major::V9_6, Major::V18), (Major::V14, Major::V9_6)] {
        let (source, target) = (empty(from), empty(to));
        source.execute(MADE).await.unwrap();
        let findings = check(&source, &target).await;
        assert_eq!(objects(&findings, "target_not_empty"), [""; 0], "{from:?}");
        target.execute(MADE).await.unwrap();
        let findings = check(&source, &target).await;
        assert_eq!(
            objects(&findings, "target_not_empty"),
            [
                "app",
                "app.mood",
                "app.people",
                "app.people_id_seq",
                "app.shown",
                "app.twice(integer, text)",
                "large object 4711"
            ],
            "{from:?}"
        );
    }
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_in_the_way() {
    let (source, target) = (empty(Major::V14), empty(Major::V18));
    source.execute(MADE).await.unwrap();
    target.execute(MADE).await.unwrap();
    let people = |name: &pghaul::name::RelationName| name.to_string() == "app.people";
    let (others, large_objects) = (Carry::Not, Carry::Not);
    let intent = Intent { others, large_objects, wanted: &people, ..Intent::default() };
    let findings = check_as(&source.url(), &target.url(), &intent).await;
    assert_eq!(objects(&findings, "target_not_empty"), ["app.people"]);
}

#[tokio::test]
async fn extensions_bring_their_members_along() {
    let (source, target) = (empty(Major::V14), empty(Major::V18));
    for side in [&source, &target] {
        side.execute("create extension hstore").await.unwrap();
    }
    let findings = check(&source, &target).await;
    assert_eq!(objects(&findings, "target_not_empty"), [""; 0]);
}

#[tokio::test]
async fn a_schema_of_our_name() {
    let (source, target) = (empty(Major::V14), empty(Major::V14));
    target.execute("create schema pghaul").await.unwrap();
    let findings = check(&source, &target).await;
    assert_eq!(objects(&findings, "schema_pghaul_taken"), ["pghaul"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_all_that_is_said() {
    let (source, target) = (empty(Major::V14), empty(Major::V14));
    source.execute(MADE).await.unwrap();
    crate::harness::clone(&source.url(), &target.url(), crate::harness::options()).await.unwrap();
    let findings = check(&source, &target).await;
    assert_eq!(objects(&findings, "run_present"), [""]);
    assert_eq!(objects(&findings, "target_not_empty"), [""; 0]);
}

#[tokio::test]
async fn tables_for_rows_alone() {
    let (source, target) = (empty(Major::V9_6), empty(Major::V18));
    source
        .execute("create table a (i int, j int); create table b (i int); create table c (i int)")
        .await
        .unwrap();
    target
        .execute("create table a (i int); create table b (i int); insert into b values (1)")
        .await
        .unwrap();
    let intent = Intent { schema: Carry::Not, ..Intent::default() };
    let findings = check_as(&source.url(), &target.url(), &intent).await;
    assert_eq!(objects(&findings, "column_missing"), ["public.a"]);
    assert_eq!(objects(&findings, "table_not_empty"), ["public.b"]);
    assert_eq!(objects(&findings, "table_missing"), ["public.c"]);
    assert_eq!(objects(&findings, "target_not_empty"), [""; 0]);
}
