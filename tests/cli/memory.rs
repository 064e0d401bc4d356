//! Memory of the whole process, as the operating system counts it.

use std::fs::File;
use std::process::{Command, Stdio};

use pghaul_testbed::{Database, Major, clients, measure};

use crate::command::database;

/// Bytes of a row.
const ROW: u64 = 64 << 20;

#[test]
fn large_rows_need_at_most_three_times_the_largest_for_a_job() {
    let old = pghaul_testbed::Server::shared(Major::V9_6).unwrap();
    let source = Database::new(old, "memory_src").unwrap();
    source
        .execute(format!(
            "create table large (id int primary key, v bytea); \
             alter table large alter v set storage external; \
             insert into large select g, convert_to(repeat(md5(g::text), {}), 'UTF8') \
               from generate_series(1, 6) g",
            ROW / 32
        ))
        .wait()
        .unwrap();
    let target = database("memory_dst");
    let mut clone = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    clone.args(["clone", "--jobs", "1", "--progress", "none", "--pg-dump"]);
    clone.arg(clients().unwrap().pg_dump());
    clone.env("PGHAUL_SOURCE", source.url()).env("PGHAUL_TARGET", target.url());
    let usage = measure::run(clone.stdout(Stdio::null())).unwrap();
    assert!(usage.peak_rss < 3 * ROW, "{} MiB", usage.peak_rss >> 20);
    let sum = "select count(*), sum(length(v)), md5(string_agg(md5(v), '' order by id)) from large";
    let (before, after) = (source.query_text(sum).wait(), target.query_text(sum).wait());
    assert_eq!(before.unwrap(), after.unwrap());
}

/// Every row differs and every row is to be named: what is known of them does not fit the memory
/// that is given, so it goes to a file; the result is written as it comes.
#[test]
fn a_hundred_thousand_rows_that_differ_are_named_within_the_memory_that_is_given() {
    const ROWS: usize = 100_000;
    // What is given, and some for the code of a binary that is not optimized, which counts too.
    const MEMORY: u64 = (40 + 6) << 20;
    let (source, target) = (database("differs_src"), database("differs_dst"));
    for (database, content) in [(&source, "here"), (&target, "there")] {
        let fill = format!(
            "create table notes (id int primary key, text text, more text); \
             insert into notes select g, '{content} ' || g, 'more' from generate_series(1, {ROWS}) g"
        );
        database.execute(fill).wait().unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let (result, out) = (place.path().join("result"), place.path().join("rows.jsonl"));
    let mut verify = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    verify.args(["verify", "--data-only", "--json", "--progress", "none", "--memory", "40MiB"]);
    verify.args(["--max-differences", "1000000", "--out"]).arg(&out);
    verify.arg("--spill-dir").arg(place.path());
    verify.env("PGHAUL_SOURCE", source.url()).env("PGHAUL_TARGET", target.url());
    let usage = measure::run_to(verify.stdout(File::create(&result).unwrap()), 1).unwrap();
    assert!(usage.peak_rss < MEMORY, "{} KiB", usage.peak_rss >> 10);
    let result: serde_json::Value =
        serde_json::from_reader(std::io::BufReader::new(File::open(result).unwrap())).unwrap();
    let table = &result["tables"][0];
    assert_eq!(table["all_differences"], true);
    let rows = table["differences"].as_array().unwrap();
    let named = |rows: &[serde_json::Value]| {
        let mut ids: Vec<usize> = rows
            .iter()
            .map(|row| {
                assert_eq!((&row["kind"], &row["columns"][0]), (&"changed".into(), &"text".into()));
                assert_eq!(row["columns"].as_array().unwrap().len(), 1);
                row["key"]["id"].as_str().unwrap().parse().unwrap()
            })
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(named(rows), (1..=ROWS).collect::<Vec<_>>());
    let lines: Vec<serde_json::Value> = std::fs::read_to_string(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&lines[0]["v"], &lines[0]["table"]), (&1.into(), &"notes".into()));
    assert_eq!(named(&lines), named(rows));
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// zstd's tables grow with its level: the budget says how many jobs there may be, and refuses what
/// is too small for one.
#[test]
fn a_dump_at_the_highest_level_keeps_to_its_memory_or_is_refused() {
    let source = database("level_src");
    let fill = "create table t (id int primary key, text text); \
                insert into t select g, repeat(md5(g::text), 8) from generate_series(1, 60000) g";
    source.execute(fill).wait().unwrap();
    let place = tempfile::tempdir().unwrap();
    let dump = |archive: &str, level: &str, memory: &str| {
        let mut dump = Command::new(env!("CARGO_BIN_EXE_pghaul"));
        dump.args(["dump", "--progress", "none", "--compress", level, "--memory", memory]);
        // Parts of a few frames: all jobs have something to compress.
        dump.args(["--part-size", "4MiB", "--archive"]).arg(place.path().join(archive));
        dump.arg("--pg-dump").arg(clients().unwrap().pg_dump());
        dump.env("PGHAUL_SOURCE", source.url()).stdout(Stdio::null()).stderr(Stdio::null());
        dump
    };
    for (level, memory, mib) in [("3", "80MiB", 80), ("9", "90MiB", 90), ("19", "180MiB", 180)] {
        let usage = measure::run(&mut dump(level, level, memory)).unwrap();
        assert!(usage.peak_rss < mib << 20, "{level}: {} KiB", usage.peak_rss >> 10);
    }
    measure::run_to(&mut dump("refused", "19", "96MiB"), 2).unwrap();
    assert!(!place.path().join("refused").exists());
    measure::run_to(&mut dump("refused", "22", "1GiB"), 2).unwrap();
}
