//! Dropped at any point, the copying of a part leaves clean sessions, and a receipt only where the
//! rows are.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use pghaul::connect::{Endpoint, Purpose, Side};
use pghaul::event::{Counters, Event};
use pghaul::run::Stop;
use pghaul::transfer::pace::Pace;
use pghaul::transfer::{Ended, Transfer};
use pghaul_rows::reader::Digesting;
use pghaul_testbed::Major;
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
    // Everything but the rows.
    let stop = Stop::default();
    let end = stop.clone();
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::Planned { .. } = event {
            end.soon.cancel();
        }
    });
    let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
    let (table, part) = (prepared.plan().tables[0].clone(), prepared.plan().parts[0].clone());
    prepared.run(Arc::new(observer), Arc::new(Counters::default()), stop).await.unwrap();

    let transfer = Transfer {
        pace: Pace::new(None),
        counters: Arc::new(Counters::default()),
        stop: CancellationToken::new(),
        digesting: Digesting::Sha256,
        worker: "test".to_owned(),
    };
    let read = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let read = read.connect(Purpose::Read, "test").await.unwrap();
    let write = Endpoint::parse(Side::Target, &target.url()).unwrap();
    let write = write.connect(Purpose::Write, "test").await.unwrap();
    let counts = "select (select count(*) from t) || ' ' || coalesce(sum(rows), 0) \
                  from pghaul.receipt";
    let (mut times, mut lost) = (1, 0);
    loop {
        let mut told = 0;
        let copied = {
            let committed = |receipt: pghaul::state::Receipt| told += receipt.digest.rows;
            let copying = transfer.copy_part((&read, &write), &table, &part, None, committed);
            polled(copying, times).await.map(Result::unwrap)
        };
        // The same sessions serve again; whatever was open is rolled back.
        write.batch("end what is open", "rollback").await.unwrap();
        let one = read.simple_rows("ask", "select 1").await.unwrap();
        assert_eq!(one, [[Some("1".to_owned())]], "after {times} polls");
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
        times += 1 + if everywhere() { 0 } else { times / 25 };
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
