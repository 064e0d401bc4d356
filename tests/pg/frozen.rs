//! Tables that go in at once are frozen, so that nobody has to write their pages again; all others
//! keep the files that they were made with.

use std::sync::{Arc, Mutex};

use pghaul::event::{Counters, Event, Phase};
use pghaul::run::{CloneOptions, Outcome, Stop};
use pghaul_testbed::{Database, Major};

use crate::archive::harness::{dump_options, dump_to, restore_from};
use crate::data_only::{data_only, with_schema};
use crate::harness::{OnEvent, clone, database, in_time, options, prepare};

/// Some MiB in one table, some KiB in another.
const ROWS: &str = "
    create table medium (id int primary key, v text);
    create table small (id int primary key, v text);
    insert into medium select g, repeat(md5(g::text), 10) from generate_series(1, 20000) g;
    insert into small select g, 'x' from generate_series(1, 100) g;
";

/// Rows of a table, and how many of them are not marked as frozen (both bits of `HEAP_XMIN_FROZEN`).
async fn rows_and_not_frozen(database: &Database<'_>, table: &str) -> (u64, u64) {
    database.execute("create extension if not exists pageinspect").await.unwrap();
    let sql = format!(
        "select count(*) || ' ' || count(*) filter (where i.t_infomask & 768 <> 768) \
           from generate_series(0, pg_relation_size('{table}') / 8192 - 1) b, \
                heap_page_items(get_raw_page('{table}', b::int)) i"
    );
    let counts = database.value(sql).await.unwrap().unwrap();
    let (rows, loose) = counts.split_once(' ').unwrap();
    (rows.parse().unwrap(), loose.parse().unwrap())
}

/// Whether the table lies in the file that it was made with.
async fn has_its_first_file(database: &Database<'_>, table: &str) -> bool {
    let sql = format!("select relfilenode = oid from pg_class where oid = '{table}'::regclass");
    database.value(sql).await.unwrap().as_deref() == Some("t")
}

async fn assert_frozen(target: &Database<'_>) {
    assert_eq!(rows_and_not_frozen(target, "medium").await, (20_000, 0));
    assert_eq!(rows_and_not_frozen(target, "small").await, (100, 100));
    assert!(has_its_first_file(target, "small").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_goes_in_at_once_is_frozen() {
    for (from, to) in [(Major::V9_6, Major::V10), (Major::V14, Major::V18)] {
        let source = database(from, "frozen_src");
        source.execute(ROWS).await.unwrap();
        let target = database(to, "frozen_dst");
        clone(&source.url(), &target.url(), options()).await.unwrap();
        assert_frozen(&target).await;

        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        dump_to(&source.url(), &archive, dump_options()).await.unwrap();
        let restored = database(to, "frozen_restored");
        restore_from(&archive, &restored.url(), CloneOptions::default()).await.unwrap();
        assert_frozen(&restored).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_parts_or_into_tables_that_are_there_is_not_emptied_before() {
    let source = database(Major::V14, "loose_src");
    source.execute(ROWS).await.unwrap();
    let split = database(Major::V18, "loose_split");
    let parts = CloneOptions { part_size: Some(1 << 20), ..options() };
    clone(&source.url(), &split.url(), parts).await.unwrap();
    assert_eq!(rows_and_not_frozen(&split, "medium").await, (20_000, 20_000));
    assert!(has_its_first_file(&split, "medium").await);

    let there = database(Major::V18, "loose_there");
    with_schema(&source, &there.url()).await;
    clone(&source.url(), &there.url(), data_only()).await.unwrap();
    assert_eq!(rows_and_not_frozen(&there, "medium").await, (20_000, 20_000));
    assert!(has_its_first_file(&there, "medium").await);
}

/// Clones and does something to the target before the first row comes.
async fn cloned_after<T: Send + 'static>(
    (source, target): (&Database<'_>, &Database<'_>),
    meddle: impl Fn(&str) -> T + Send + Sync + 'static,
) -> Outcome {
    let name = target.name().to_owned();
    let kept = Arc::new(Mutex::new(None));
    let observer = OnEvent(move |event: &Event<'_>| match event {
        Event::PhaseStarted(Phase::Data) => {
            *kept.lock().unwrap() = Some(tokio::task::block_in_place(|| meddle(&name)));
        }
        Event::TableCopied { table, .. } if table.name.as_str() == "medium" => {
            drop(kept.lock().unwrap().take());
        }
        _ => {}
    });
    let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    in_time(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_wrote_first_is_found_and_not_taken_away() {
    let source = database(Major::V14, "early_src");
    source.execute(ROWS).await.unwrap();
    let target = database(Major::V18, "early_dst");
    let server = target.server();
    let outcome = cloned_after((&source, &target), move |name| {
        let early = "insert into medium values (-1, 'early')";
        server.connect(name).wait().unwrap().execute(early).wait().unwrap();
    })
    .await;
    let differ: Vec<_> = outcome.tables.iter().filter(|table| !table.verified).collect();
    assert_eq!(differ.len(), 1, "{:?}", outcome.findings);
    assert_eq!(differ[0].name.name.as_str(), "medium");
    assert_eq!(rows_and_not_frozen(&target, "medium").await, (20_001, 20_001));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_at_a_table_does_not_hold_its_rows_up() {
    let source = database(Major::V14, "looked_src");
    source.execute(ROWS).await.unwrap();
    let target = database(Major::V18, "looked_dst");
    let server = target.server();
    let outcome = cloned_after((&source, &target), move |name| {
        let session = server.connect(name).wait().unwrap();
        session.execute("begin; lock table medium in access share mode").wait().unwrap();
        session
    })
    .await;
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(rows_and_not_frozen(&target, "medium").await, (20_000, 20_000));
}
