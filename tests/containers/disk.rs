//! A target without room, for rows or for WAL: the run ends with its own exit code, and goes on once
//! there is room.

use pghaul_testbed::Major;
use pghaul_testbed::containers::Setup;

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread")]
async fn no_room_for_rows_stops_a_run_that_goes_on_once_there_is_some() {
    let small = Setup::default().set("autovacuum", "off").disk(110 << 20);
    let pair = Pair::new(Major::V14, &small).await;
    let fill = "as select repeat(md5(g::text), 30) from generate_series(1, 4000) g";
    let mut ballast = 0;
    loop {
        let sql = format!("create table ballast{ballast} {fill}");
        match pair.target.execute("postgres", sql).await {
            Ok(()) => ballast += 1,
            Err(error) => break assert_eq!(error.sqlstate(), Some("53100"), "{error}"),
        }
    }
    // Room for some tables, but not for all.
    for last in ballast - 3..ballast {
        pair.target.execute("postgres", format!("drop table ballast{last}")).await.unwrap();
    }

    let output = pair.command(&["clone", "--part-size", "1MiB"]).run();
    assert_eq!(output.code, 12, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("SQLSTATE 53100"), "{}", output.stderr);
    assert!(output.stderr.contains("--resume"), "{}", output.stderr);
    let receipts =
        "select string_agg(part || ' ' || committed, ',' order by committed) from pghaul.receipt";
    let kept = pair.target.value("app", receipts).await.unwrap().unwrap_or_default();

    for one in 0..ballast - 3 {
        pair.target.execute("postgres", format!("drop table ballast{one}")).await.unwrap();
    }
    let output = pair.command(&["clone", "--resume"]).run();
    pair.assert_arrived(&output).await;
    let all = pair.target.value("app", receipts).await.unwrap().unwrap();
    assert!(!kept.is_empty() && all.starts_with(&kept), "{kept} of {all}");
}

/// A server that cannot write its WAL ends itself, and does not come back before there is room.
#[tokio::test(flavor = "multi_thread")]
async fn no_room_for_wal_stops_a_run_that_goes_on_once_there_is_some() {
    let mib = 1 << 20;
    // Two segments of WAL, which no checkpoint recycles before they are full.
    let small = Setup::default()
        .set("autovacuum", "off")
        .set("checkpoint_timeout", "1h")
        .wal_disk(256 * mib, 222 * mib);
    let pair = Pair::new(Major::V14, &small).await;
    let output = pair.command(&["clone", "--part-size", "1MiB", "--attempts", "3"]).run();
    assert_eq!(output.code, 12, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("--resume"), "{}", output.stderr);
    let (said, log) = pair.target.host().output().await.unwrap();
    assert!(log.contains("PANIC") && log.contains("No space left on device"), "{said}{log}");

    pair.target.make_room_for_wal().unwrap();
    // It may have ended, or be at recovering again and again.
    let _ = pair.target.host().kill();
    pair.target.host().start_again().unwrap();
    pair.target.wait_until_ready().unwrap();
    let receipts =
        "select string_agg(part || ' ' || committed, ',' order by committed) from pghaul.receipt";
    let kept = pair.target.value("app", receipts).await.unwrap().unwrap();
    let output = pair.command(&["clone", "--resume"]).run();
    pair.assert_arrived(&output).await;
    let all = pair.target.value("app", receipts).await.unwrap().unwrap();
    assert!(all.starts_with(&kept), "{kept} of {all}");
}
