//! The memory of a whole scan, kept by the allocator: what goes above aborts the test.
//!
//! A binary of its own with one test, since the limit holds for whatever happens in the process; the
//! servers are processes of their own.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;

use cap::Cap;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::{Found, ScanOptions, SurveyOptions, survey};
use pghaul::event::Counters;
use pghaul_testbed::{Database, Major, Server};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What a scan needs beside its budget: connections, messages on their way, batches of rows that are
/// handed over and confirmed, samples.
const BESIDE: usize = 4 << 20;

const ROWS: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_stays_within_its_budget() {
    // A panic needs memory to say why.
    let say_why = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        say_why(panic);
    }));
    let database = Database::new(Server::shared(Major::V18).unwrap(), "memory").unwrap();
    database
        .execute(format!(
            "create table posts (id int, uri text, half int, one int);
             insert into posts select g, 'https://social.example/users/somebody/statuses/' || g,
                    case when g % 2 = 0 then 0 else g end, 7 from generate_series(1, {ROWS}) g;
             create index differing on posts (id); create index pairs on posts (uri);
             create index half on posts (half); create index one on posts (one);
             insert into posts (id, uri) select -g, uri from posts p, lateral (select p.id as g) x where id % 1000 = 0;
             update pg_index set indisunique = true where indrelid = 'posts'::regclass;
             analyze posts"
        ))
        .await
        .unwrap();
    let found = |groups, rows| Found { groups, rows };
    for (index, memory, expected) in [
        ("differing", 1 << 20, found(0, 0)),
        ("differing", 8 << 20, found(0, 0)),
        ("pairs", 1 << 20, found(ROWS / 1000, ROWS / 500)),
        ("one", 1 << 20, found(1, ROWS)),
    ] {
        assert_eq!(scan(&database, &[index], memory).await, [expected], "{index} {memory}");
    }
    // All in one pass, each with its share.
    let all = scan(&database, &["differing", "half", "one", "pairs"], 32 << 20).await;
    let all_expected =
        [found(0, 0), found(1, ROWS / 2), found(1, ROWS), found(ROWS / 1000, ROWS / 500)];
    assert_eq!(all, all_expected);
}

async fn scan(database: &Database<'_>, indexes: &[&str], memory: usize) -> Vec<Found> {
    let folder = tempfile::tempdir().unwrap();
    let scan = ScanOptions {
        indexes: indexes.iter().map(|name| (*name).to_owned()).collect(),
        memory,
        spill_dir: folder.path().to_owned(),
        ..ScanOptions::default()
    };
    let options = SurveyOptions { scan, ..SurveyOptions::default() };
    let endpoint = Endpoint::parse(Side::Database, &database.url()).unwrap();
    let (counters, stop) = (Counters::default(), CancellationToken::new());
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + memory + BESIDE).unwrap();
    let found = survey(&endpoint, &options, &mut (), (&(), &counters, &stop)).await;
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    found.unwrap().unwrap().indexes.iter().map(|index| index.found).collect()
}
