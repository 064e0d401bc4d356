//! A host whose cable is out: nothing answers and nobody says so.

use std::time::{Duration, Instant};

use pghaul_testbed::Major;
use pghaul_testbed::containers::{Host, Setup};

use crate::pair::Pair;

/// Takes the cable out for longer than it takes to notice, then four times for less.
async fn cuts(from: Major, host: impl Fn(&Pair) -> &Host) {
    let pair = Pair::new(from, &Setup::default()).await;
    let mut running = pair.command(&["clone", "--part-size", "1MiB"]).start();
    running.wait_for("piece_committed");
    let begun = Instant::now();
    host(&pair).cut_off().unwrap();
    // Noticed while it is out, not when it is back.
    running.wait_for("retrying");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_secs(10)).await;
    host(&pair).connect().unwrap();
    for seconds in [5, 1, 3, 1] {
        running.wait_for("piece_committed");
        host(&pair).cut_off().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        host(&pair).connect().unwrap();
    }
    let output = running.end();
    pair.assert_arrived(&output).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_cut_off_is_noticed_and_met_again() {
    cuts(Major::V9_6, |pair| pair.source.host()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_cut_off_is_noticed_and_met_again() {
    cuts(Major::V14, |pair| pair.target.host()).await;
}
