//! Hosts that lose power and come back: SIGKILL to every process of a server, five times in a run.

use std::time::Duration;

use pghaul_testbed::Major;
use pghaul_testbed::containers::{Server, Setup};

use crate::pair::Pair;

async fn crashes(from: Major, server: impl Fn(&Pair) -> &Server) {
    let pair = Pair::new(from, &Setup::default().set("autovacuum", "off")).await;
    let mut running = pair.command(&["clone", "--json", "--part-size", "1MiB"]).start();
    for crash in 0..5 {
        running.wait_for("piece_committed");
        server(&pair).host().kill().unwrap();
        tokio::time::sleep(Duration::from_millis(500 * crash)).await;
        server(&pair).host().start_again().unwrap();
        server(&pair).wait_until_ready().unwrap();
    }
    let output = running.end();
    pair.assert_arrived(&output).await;
    let receipts = "select count(*) = (select count(*) from pghaul.part) from pghaul.receipt";
    assert_eq!(pair.target.value("app", receipts).await.unwrap().as_deref(), Some("t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_crashes_five_times_is_read_to_the_end() {
    crashes(Major::V14, |pair| &pair.source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_crashes_five_times_is_filled_to_the_end() {
    crashes(Major::V14, |pair| &pair.target).await;
}
