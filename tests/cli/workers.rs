//! `worker` and `snapshot`: more than one process on one moment.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use pghaul_testbed::clients;

use crate::command::{clone, database, filled, pghaul};

#[test]
fn a_worker_shares_the_run() {
    let (source, target) = (filled("source"), database("target"));
    source
        .execute("insert into letters select i, 1, repeat('y', 500), 7 from generate_series(2001, 6000) i")
        .wait()
        .unwrap();
    let flags =
        ["--part-size", "64KiB", "--max-rate", "100kB", "--jobs", "1", "--progress", "json"];
    let mut begun = clone(&source, &target, &flags).start();
    begun.wait_for("piece_committed");
    let worker = pghaul(&["worker", "--json", "--jobs", "2"])
        .arg("--pg-dump")
        .arg(clients().unwrap().pg_dump())
        .source(&source.url())
        .target(&target.url())
        .run();
    assert_eq!(worker.code, 0, "{}{}", worker.stdout, worker.stderr);
    assert_eq!(worker.json()["verb"], "worker");
    let begun = begun.end();
    assert_eq!(begun.code, 0, "{}{}", begun.stdout, begun.stderr);
    let counts = "select (select count(distinct worker) from pghaul.receipt) || ' ' || count(*) from letters";
    assert_eq!(target.value(counts).wait().unwrap().as_deref(), Some("2 6000"));
    let late = pghaul(&["worker"]).source(&source.url()).target(&target.url()).run();
    assert_eq!(late.code, 20, "{}{}", late.stdout, late.stderr);
}

#[test]
fn a_snapshot_is_held_in_a_process_of_its_own() {
    let (source, target) = (filled("source"), database("target"));
    let mut holder = Command::new(env!("CARGO_BIN_EXE_pghaul"))
        .args(["snapshot", "--source", &source.url()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let id = lines.next().unwrap().unwrap();
    source.execute("delete from letters").wait().unwrap();
    let output = clone(&source, &target, &["--snapshot", &id, "--live-source"]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let count = target.value("select count(*) from letters").wait().unwrap();
    assert_eq!(count.as_deref(), Some("2000"));

    // Its session dies: an heir takes over, under another name. The clone's own is gone by then.
    let keepers = "select count(*) from pg_stat_activity \
                   where datname = current_database() and application_name = 'pghaul keeper'";
    while source.value(keepers).wait().unwrap().as_deref() != Some("1") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() and application_name = 'pghaul keeper'";
    assert_eq!(source.value(sql).wait().unwrap().as_deref(), Some("1"));
    let renamed = lines.next().unwrap().unwrap();
    assert_ne!(id, renamed);
    let again = database("target");
    let output = clone(&source, &again, &["--snapshot", &renamed, "--live-source"]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let count = again.value("select count(*) from letters").wait().unwrap();
    assert_eq!(count.as_deref(), Some("2000"));

    let status = Command::new("kill").args(["-s", "INT", &holder.id().to_string()]).status();
    assert!(status.unwrap().success());
    assert_eq!(holder.wait().unwrap().code(), Some(0));
}
