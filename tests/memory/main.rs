//! The memory of a whole scan, of a plan and its repair, kept by the allocator: what goes above aborts
//! the test.
//!
//! A binary of its own, with one test at a time, since the limit holds for whatever happens in the
//! process; the servers are processes of their own.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;

use cap::Cap;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::plan::{PlanOptions, plan};
use pghaul::duplicates::repair::{RepairOptions, repair};
use pghaul::duplicates::rules::Rules;
use pghaul::duplicates::undo::{Indexes, UndoOptions, undo};
use pghaul::duplicates::{Found, ScanOptions, SurveyOptions, survey};
use pghaul::event::Counters;
use pghaul_testbed::{Database, Major, Server};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What a scan needs beside its budget: connections, messages on their way, batches of rows that are
/// handed over and confirmed, samples.
const BESIDE: usize = 4 << 20;

/// What a plan needs beside its budget: as a scan, rows that are fetched by ctid and decided about,
/// keys on their way to the server.
const BESIDE_PLAN: usize = 12 << 20;

/// What a repair and an undo need beside their budget: a batch, and some bytes for each group.
const BESIDE_REPAIR: usize = 4 << 20;

const ROWS: u64 = 1_000_000;

/// What is in the tables that are repaired.
const SUM: &str = "select (select sum(hashtext(c::text)::int8) from customer c) \
                        + (select sum(hashtext(p::text)::int8) from purchase p)";

/// One at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A panic needs memory to say why.
fn say_why() {
    let say_why = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        say_why(panic);
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_stays_within_its_budget() {
    let _alone = ALONE.lock().await;
    say_why();
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

/// 30,000 customers are there twice, each pair has an order that becomes the same one, numbers of
/// orders are to be counted anew, and notes without a foreign key may refer to who goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_its_repair_stay_within_their_budget() {
    const PAIRS: u64 = 30_000;
    let _alone = ALONE.lock().await;
    say_why();
    let database = Database::new(Server::shared(Major::V18).unwrap(), "memory_plan").unwrap();
    database
        .execute(format!(
            "create table customer (id int8 primary key, email text, purchases int8 default 0);
             create table note (about int8);
             create table purchase (id int8 primary key, customer int8 not null, number int, unique (customer, number));
             create index on purchase (customer);
             insert into customer select g, 'somebody' || g % {PAIRS} || '@shop.example' from generate_series(1, 2 * {PAIRS}) g;
             insert into purchase select g, g, 1 from generate_series(1, 2 * {PAIRS}) g;
             insert into purchase select 1000000 + g, g, 2 from generate_series({PAIRS} + 1, 2 * {PAIRS}, 3) g;
             alter table purchase add foreign key (customer) references customer on delete cascade;
             create index customer_email on customer (email);
             update pg_index set indisunique = true where indexrelid = 'customer_email'::regclass;
             analyze"
        ))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rules = "format = 1
name = 'shop'
[[table]]
name = 'customer'
[[table.count]]
column = 'purchases'
by = 'id'
rows = 'purchase.customer'
[[table]]
name = 'purchase'
[[reference]]
to = 'customer.id'
from = ['note.about']
";
    let options = PlanOptions {
        rules: Rules::parse(rules, "shop").unwrap(),
        memory: 8 << 20,
        spill_dir: folder.path().to_owned(),
        ..PlanOptions::default()
    };
    let endpoint = Endpoint::parse(Side::Database, &database.url()).unwrap();
    let out = folder.path().join("plan");
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + (8 << 20) + BESIDE_PLAN).unwrap();
    let planned = plan(&endpoint, None, &options, &out, &Counters::default()).await;
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    let counts = planned.unwrap().counts;
    assert_eq!((counts.groups, counts.collisions, counts.questions), (2 * PAIRS, PAIRS, 0));
    let before = database.value(SUM).await.unwrap();
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + (4 << 20) + BESIDE_REPAIR).unwrap();
    let stop = pghaul::run::Stop::default();
    let options = RepairOptions { memory: 4 << 20, ..RepairOptions::default() };
    let repaired = repair(&endpoint, &out, options, &(), &stop).await;
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    let repaired = repaired.unwrap();
    assert_eq!((repaired.groups, repaired.skipped, repaired.deleted), (2 * PAIRS, 0, 2 * PAIRS));
    let wrong = "select count(*) from customer c where purchases <> \
                 (select count(*) from purchase p where p.customer = c.id)";
    assert_eq!(database.value(wrong).await.unwrap().as_deref(), Some("0"));
    assert_ne!(database.value(SUM).await.unwrap(), before);
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + (2 << 20) + BESIDE_REPAIR).unwrap();
    let options = UndoOptions { indexes: Indexes::Drop, memory: 2 << 20 };
    let undone = undo(&endpoint, options, &(), &stop).await;
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    assert!(undone.unwrap().rows >= 2 * PAIRS);
    assert_eq!(database.value(SUM).await.unwrap(), before);
}
