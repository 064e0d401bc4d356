//! One large table on a server that cannot read a range of it without scanning it all: killed at
//! half, it goes on behind its last piece. 300 MB, or as many as `PGHAUL_TEST_TABLE_MB` says.

use pghaul_testbed::{Database, Major, Options, Server};
use serde_json::Value;

use crate::command::{clone, server};

const PIECE: u64 = 128 << 20;
const JOBS: u64 = 2;

/// Rows and bytes of each piece that a run told of.
fn pieces(stderr: &str) -> Vec<(u64, u64)> {
    let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let pieces = lines.filter(|line| line["event"] == "piece_committed");
    pieces.map(|line| (line["rows"].as_u64().unwrap(), line["bytes"].as_u64().unwrap())).collect()
}

#[test]
fn a_large_table_killed_at_half_goes_on_behind_its_last_piece() {
    let mb: u64 = std::env::var("PGHAUL_TEST_TABLE_MB").map_or(300, |text| text.parse().unwrap());
    let quiet = Options::new().set("autovacuum", "off").set("log_statement", "all");
    let old = Server::start(Major::V9_6, &quiet).unwrap();
    let source = Database::new(&old, "large_src").unwrap();
    let rows = mb * 1000;
    source
        .execute(format!(
            "create table large (id int8, v text);
             insert into large select g, repeat(md5(g::text), 30) from generate_series(1, {rows}) g"
        ))
        .wait()
        .unwrap();
    let target = Database::new(server(), "large_dst").unwrap();
    let flags = ["--progress", "json", "--jobs", "2"];
    let mut running = clone(&source, &target, &flags).start();
    for _ in 0..(mb << 20).div_ceil(PIECE).div_euclid(2).max(1) {
        running.wait_for("piece_committed");
    }
    let killed = running.kill();
    assert!(killed.by_us);
    // A statement that failed is logged once more.
    let scans = || {
        let log = old.log();
        log.lines()
            .filter(|line| line.contains(": LOG:  ") && line.contains("copy (select "))
            .count()
    };
    let readers = scans();
    let output = clone(&source, &target, &["--resume"]).args(&flags).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);

    let (first, second) = (pieces(&killed.stderr), pieces(&output.stderr));
    assert!(!first.is_empty() && !second.is_empty());
    assert!(first.iter().chain(&second).all(|(_, bytes)| *bytes <= PIECE), "{first:?} {second:?}");
    let told: u64 = first.iter().chain(&second).map(|(rows, _)| rows).sum();
    // A piece whose COMMIT was on its way is told of by nobody; nothing is told of twice.
    let untold = rows - told;
    let most = first.iter().map(|(rows, _)| *rows).max().unwrap();
    assert!(told <= rows && untold <= most * JOBS, "{told} of {rows}");
    assert!(scans() <= readers * 2, "{} scans, {readers} readers", scans());
    let sum = "select count(*) || ' ' || sum(hashtext(v)::int8) || ' ' || sum(id) from large";
    assert_eq!(source.value(sum).wait().unwrap(), target.value(sum).wait().unwrap());
    let receipts = target.value("select sum(rows) from pghaul.receipt").wait().unwrap();
    assert_eq!(receipts, Some(rows.to_string()));
}
