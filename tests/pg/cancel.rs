//! Dropped at any point, the copying of a part, or of a batch of small tables, leaves clean sessions, and
//! receipts only where the rows are.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use pghaul::connect::{Endpoint, Purpose, Session, Side};
use pghaul::event::{Counters, Event};
use pghaul::plan::{Part, TablePlan};
use pghaul::run::Stop;
use pghaul::transfer::pace::Pace;
use pghaul::transfer::{Ended, Transfer};
use pghaul_rows::reader::Digesting;
use pghaul_testbed::{Database, Major};
use tokio_util::sync::CancellationToken;

use crate::harness::{OnEvent, database, options, prepare};

/// Polls a future at most so many times, then drops it.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(move |cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Whether it is dropped after each poll, as where `PGHAUL_TEST_KILLS` asks for all kills; else after
/// each of the first ones, where there is the most to go wrong, and then ever fewer.
fn everywhere() -> bool {
    std::env::var("PGHAUL_TEST_KILLS").is_ok_and(|text| text.parse::<u64>().unwrap() >= 50)
}

fn next(times: usize) -> usize {
    times + 1 + if everywhere() { 0 } else { times / 25 }
}

/// Makes the target's tables and a run's state; gives the tables and parts of its plan.
async fn all_but_the_rows(
    source: &Database<'_>,
    target: &Database<'_>,
) -> (Vec<TablePlan>, Vec<Part>) {
    let stop = Stop::default();
    let end = stop.clone();
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::Planned { .. } = event {
            end.soon.cancel();
        }
    });
    let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
    let plan = (prepared.plan().tables.clone(), prepared.plan().parts.clone());
    prepared.run(Arc::new(observer), Arc::new(Counters::default()), stop).await.unwrap();
    plan
}

fn transfer() -> Transfer {
    Transfer {
        pace: Pace::new(None),
        counters: Arc::new(Counters::default()),
        stop: CancellationToken::new(),
        digesting: Digesting::Sha256,
        worker: "test".to_owned(),
    }
}

async fn sessions(source: &Database<'_>, target: &Database<'_>) -> (Session, Session) {
    let read = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let write = Endpoint::parse(Side::Target, &target.url()).unwrap();
    tokio::join!(async { read.connect(Purpose::Read, "test").await.unwrap() }, async {
        write.connect(Purpose::Write, "test").await.unwrap()
    },)
}

/// The same sessions serve again; whatever was open is rolled back.
async fn serve_again(read: &Session, write: &Session) {
    write.batch("end what is open", "rollback").await.unwrap();
    for session in [read, write] {
        let one = session.simple_rows("ask", "select 1").await.unwrap();
        assert_eq!(one, [[Some("1".to_owned())]]);
    }
}

async fn dropped_anywhere(from: Major) {
    let (source, target) = (database(from, "drop_src"), database(Major::V18, "drop_dst"));
    let rows = 3000;
    source
        .execute(format!(
            "create table t (id int8 primary key, v text);
             insert into t select g, repeat(md5(g::text), 30) from generate_series(1, {rows}) g"
        ))
        .await
        .unwrap();
    let (tables, parts) = all_but_the_rows(&source, &target).await;
    let (table, part) = (&tables[0], &parts[0]);
    let transfer = transfer();
    let (read, write) = sessions(&source, &target).await;
    let counts = "select (select count(*) from t) || ' ' || coalesce(sum(rows), 0) \
                  from pghaul.receipt";
    let (mut times, mut lost) = (1, 0);
    loop {
        let mut told = 0;
        let copied = {
            let committed = |receipt: pghaul::state::Receipt| told += receipt.digest.rows;
            let copying = transfer.copy_part((&read, &write), table, part, None, committed);
            polled(copying, times).await.map(Result::unwrap)
        };
        serve_again(&read, &write).await;
        let there = target.value(counts).await.unwrap().unwrap();
        assert!(
            there == "0 0" || there == format!("{rows} {rows}"),
            "after {times} polls on {from}: rows and rows of receipts are {there}"
        );
        if let Some(ended) = copied {
            assert_eq!((ended, told), (Ended::Done, rows));
            break;
        }
        lost += u32::from(there == "0 0");
        target.execute("truncate t; delete from pghaul.receipt").await.unwrap();
        times = next(times);
    }
    assert!(lost >= 10, "{lost} of {times}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copying_can_be_dropped_anywhere_9_6() {
    dropped_anywhere(Major::V9_6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copying_can_be_dropped_anywhere_18() {
    dropped_anywhere(Major::V18).await;
}

/// Small tables of one transaction: none, one and many rows, rows of some size, and none again. There are
/// so many since each that has rows costs a round trip, and so a point at which it can be dropped at least.
const BATCH: [(&str, u64); 16] = [
    ("none", 0),
    ("one", 1),
    ("many", 900),
    ("wide", 30),
    ("more", 900),
    ("a", 1),
    ("b", 2),
    ("c", 3),
    ("d", 4),
    ("e", 5),
    ("f", 6),
    ("g", 7),
    ("h", 8),
    ("i", 9),
    ("j", 10),
    ("nobody", 0),
];

async fn a_batch_is_dropped_anywhere(from: Major) {
    let (source, target) = (database(from, "batch_src"), database(Major::V18, "batch_dst"));
    for (table, rows) in BATCH {
        let size = if table == "wide" { 600 } else { 3 };
        source
            .execute(format!(
                "create table {table} (id int8 primary key, v text);
                 alter table {table} alter v set storage external;
                 insert into {table} select g, repeat(md5(g::text), {size})
                   from generate_series(1, {rows}) g"
            ))
            .await
            .unwrap();
    }
    let (planned, parts) = all_but_the_rows(&source, &target).await;
    let tables: Vec<(&TablePlan, &Part)> = BATCH
        .iter()
        .map(|(name, _)| {
            let at = planned.iter().position(|table| table.name.name.as_str() == *name).unwrap();
            (&planned[at], parts.iter().find(|part| part.table == at).unwrap())
        })
        .collect();
    assert_eq!(parts.len(), tables.len());
    // Rows of each table, and of its receipt, if there is one.
    let of_one = |(table, part): &(&TablePlan, &Part)| {
        format!(
            "select (select count(*) from {name}) || ' ' || coalesce(sum(rows)::text, 'none') \
             from pghaul.receipt where part = {part}",
            name = table.name.quoted(),
            part = part.id.0
        )
    };
    let counts: Vec<String> = tables.iter().map(of_one).collect();
    let counts = counts.join(" union all ");
    let nothing = vec!["0 none".to_owned(); BATCH.len()];
    let all: Vec<String> = BATCH.iter().map(|(_, rows)| format!("{rows} {rows}")).collect();
    let names = BATCH.map(|(name, _)| name);
    let transfer = transfer();
    let (mut read, mut write) = sessions(&source, &target).await;
    let (mut times, mut lost, mut known) = (1, 0, 0);
    loop {
        let copying = transfer.copy_tables((&read, &write), &tables);
        let copied = polled(copying, times).await.map(|ended| ended.map_err(|failed| failed.error));
        serve_again(&read, &write).await;
        let there = target.query_text(counts.as_str()).await.unwrap();
        let there: Vec<String> = there.into_iter().flatten().flatten().collect();
        assert!(there == nothing || there == all, "after {times} polls on {from}: {there:?}");
        if let Some(receipts) = copied {
            let told: Vec<u64> = receipts.unwrap().iter().map(|one| one.digest.rows).collect();
            assert_eq!(told, BATCH.map(|(_, rows)| rows));
            break;
        }
        lost += u32::from(there == nothing);
        known += u32::from(there == all);
        target
            .execute(format!("truncate {}; delete from pghaul.receipt", names.join(", ")))
            .await
            .unwrap();
        // A session that was left in the middle serves once more; then two that were not.
        if times % 2 == 0 {
            (read, write) = sessions(&source, &target).await;
        }
        times = next(times);
    }
    // Behind the COMMIT too, of which only few polls are.
    assert!(lost >= 10 && (known >= 1 || !everywhere()), "{lost} and {known} of {times}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copying_a_batch_can_be_dropped_anywhere() {
    a_batch_is_dropped_anywhere(Major::V9_6).await;
    a_batch_is_dropped_anywhere(Major::V18).await;
}
