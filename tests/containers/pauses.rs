//! A host that stands still: its kernel answers, its processes do not.

use std::time::Duration;

use pghaul_testbed::Major;
use pghaul_testbed::containers::Setup;

use crate::pair::Pair;

#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

/// Five pauses, the first longer than every timeout of ours.
async fn pauses(side: Side) {
    let pair = Pair::new(Major::V14, &Setup::default()).await;
    let host = match side {
        Side::Source => pair.source.host(),
        Side::Target => pair.target.host(),
    };
    let mut running = pair.command(&["clone", "--part-size", "1MiB"]).start();
    for seconds in [45, 7, 2, 7, 1] {
        running.wait_for("piece_committed");
        host.pause().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        host.unpause().unwrap();
    }
    let output = running.end();
    pair.assert_arrived(&output).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_source_is_waited_for() {
    pauses(Side::Source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_target_is_waited_for() {
    pauses(Side::Target).await;
}
