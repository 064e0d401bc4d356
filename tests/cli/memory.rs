//! Memory of the whole process, as the operating system counts it.

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
