//! `dump` and `restore` killed without a chance to tidy up, at seeded instants: what is finished is
//! not done again, and nothing that was interrupted looks finished. A few instants, or as many as
//! `PGHAUL_TEST_KILLS` says.

use std::path::Path;
use std::time::{Duration, Instant};

use pghaul_archive::piece::Depth;
use pghaul_archive::{Folder, PieceReader, check};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::servers::OURS;
use pghaul_testbed::{Database, Major, Options, Server, clients};

use crate::command::{Pghaul, Running, is_fact, pghaul, server};
use crate::kills::spread;

fn kills(usually: u64) -> u64 {
    std::env::var("PGHAUL_TEST_KILLS").map_or(usually, |text| text.parse().unwrap())
}

/// Rows that do not compress, so that pieces have several frames; a table whose rows travel as text;
/// large objects; a table without rows. Runs on 9.6 and newer.
pub(crate) const FRAMES: &str = "
    create table big (id int8 primary key, v bytea);
    insert into big
    select g, decode((select string_agg(md5(g || ' ' || i), '') from generate_series(1, 64) i), 'hex')
      from generate_series(1, 24000) g;
    create table written (id int8 primary key, r regclass, f float8);
    insert into written select g, 'big', g / 3.0 from generate_series(1, 5000) g;
    create table bare (id int8 primary key);
    select count(lo_from_bytea(g, convert_to(repeat('x', g), 'UTF8'))) from generate_series(1, 5) g;
";

pub(crate) fn dump_to(source: &Database<'_>, archive: &Path, more: &[&str]) -> Pghaul {
    pghaul(&["dump", "--part-size", "8MiB", "--jobs", "2", "--archive"])
        .arg(archive)
        .arg("--pg-dump")
        .arg(clients().unwrap().pg_dump())
        .args(more)
        .source(&source.url())
}

/// Bytes below `data/`.
fn bytes_in(archive: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(archive.join("data")) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}

/// Rows in whole frames of all pieces, finished or not.
pub(crate) fn rows_kept(archive: &Path) -> u64 {
    let mut rows = 0;
    for entry in std::fs::read_dir(archive.join("data")).into_iter().flatten() {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        let input = std::io::BufReader::new(file);
        let Ok((_, mut reader)) = PieceReader::open(input, "", Depth::HashOnly) else { continue };
        while let Ok(Some(frame)) = reader.next_frame() {
            rows += frame.digest.rows;
        }
    }
    rows
}

/// Rows that the server has read from tables of users so far.
pub(crate) fn rows_read(source: &Database<'_>) -> u64 {
    source.until_left("^pghaul.* read ").wait().unwrap();
    // Before 15 the counters are those of a file that may be half a second old.
    std::thread::sleep(Duration::from_millis(1200));
    let sum =
        "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int8 from pg_stat_user_tables";
    source.value(sum).wait().unwrap().unwrap().parse().unwrap()
}

/// A server on which nobody else moves transaction ids.
pub(crate) fn quiet_server(major: Major) -> Server {
    Server::start(major, &Options::new().set("autovacuum", "off")).unwrap()
}

/// Kills it once this many bytes are in the folder; false if it had ended.
fn kill_at(mut running: Running, archive: &Path, bytes: u64, number: u64) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while bytes_in(archive) < bytes && running.is_alive() && Instant::now() < until {
        std::thread::sleep(Duration::from_micros(300));
    }
    std::thread::sleep(Duration::from_micros(spread(number) % 20_000));
    running.kill().by_us
}

pub(crate) fn restored_is_the_same(source: &Database<'_>, archive: &Path) {
    let target = Database::new(server(), "killed_dst").unwrap();
    let output = pghaul(&["restore", "--archive"]).arg(archive).target(&target.url()).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let options = OracleOptions::new();
    oracle::compare(&source.url(), &target.url(), &options).wait().unwrap().check().unwrap();
}

#[test]
fn a_dump_that_was_killed_goes_on_and_reads_no_finished_frame_again() {
    let server = quiet_server(Major::NEWEST);
    let source = Database::new(&server, "killed_src").unwrap();
    source.execute(FRAMES).wait().unwrap();
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let before = rows_read(&source);
    let output = dump_to(&source, &whole, &[]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let (all_rows, all_bytes) = (rows_read(&source) - before, bytes_in(&whole));
    assert_eq!(all_rows, 29_000);
    let (mut within, mut kept_frames) = (0, 0);
    let kills = kills(6);
    for number in 0..kills {
        let archive = place.path().join(format!("killed {number}"));
        // Beyond the last byte: while it is verified and published.
        let bytes = all_bytes * (number * 108 / kills.max(1) + spread(number) % 10) / 100;
        // So slow that it is met in the middle, however busy the machine is.
        let running = dump_to(&source, &archive, &["--max-rate", "20MB"]).start();
        let killed = kill_at(running, &archive, bytes, number);
        let folder = Folder::new(&archive);
        if !killed || folder.is_finished() {
            assert_eq!(check::folder(&folder).unwrap(), Vec::<String>::new(), "kill {number}");
            continue;
        }
        within += 1;
        // Nor is the snapshot there that it held.
        source.until_left(OURS).wait().unwrap();
        let alone = pghaul(&["verify", "--archive"]).arg(&archive).run();
        assert!([21, 40].contains(&alone.code), "kill {number}: {alone:?}");
        let (before, kept) = (rows_read(&source), rows_kept(&archive));
        kept_frames += u64::from(kept > 0);
        let output = dump_to(&source, &archive, &["--json"]).run();
        assert_eq!(output.code, 0, "kill {number}: {}{}", output.stdout, output.stderr);
        assert_eq!(
            rows_read(&source) - before,
            all_rows - kept,
            "kill {number}: read again what was finished, {kept} rows"
        );
        if kept > 0 {
            assert_eq!(output.json()["consistency"], "proven-unchanged", "kill {number}");
        }
        assert_eq!(check::folder(&folder).unwrap(), Vec::<String>::new(), "kill {number}");
        restored_is_the_same(&source, &archive);
    }
    assert!(within >= kills / 2 && kept_frames >= kills / 3, "{within}, {kept_frames} of {kills}");
}

#[test]
fn a_killed_dump_of_a_moment_that_is_held_goes_on_while_the_source_is_written_to() {
    let server = quiet_server(Major::V14);
    let source = Database::new(&server, "held_src").unwrap();
    source.execute(FRAMES).wait().unwrap();
    let copy = Database::new(crate::command::server(), "held_copy").unwrap();
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let output = dump_to(&source, &whole, &[]).run();
    assert_eq!(output.code, 0, "{output:?}");
    let all_bytes = bytes_in(&whole);
    let output = pghaul(&["restore", "--archive"]).arg(&whole).target(&copy.url()).run();
    assert_eq!(output.code, 0, "{output:?}");
    for number in 0..kills(2).div_ceil(2) {
        let archive = place.path().join(format!("held {number}"));
        let mut holder = pghaul(&["snapshot"]).source(&source.url()).start();
        let id = holder.line();
        let flags = ["--snapshot", id.trim(), "--json"];
        let bytes = all_bytes * (10 + spread(number) % 80) / 100;
        let running = dump_to(&source, &archive, &flags).start();
        let killed = kill_at(running, &archive, bytes, number);
        source
            .execute("update written set f = f + 1; delete from big where id < 10")
            .wait()
            .unwrap();
        if !Folder::new(&archive).is_finished() {
            assert!(killed, "kill {number}");
            let (before, kept) = (rows_read(&source), rows_kept(&archive));
            let output = dump_to(&source, &archive, &flags).run();
            assert_eq!(output.code, 0, "kill {number}: {}{}", output.stdout, output.stderr);
            assert_eq!(output.json()["consistency"], "snapshot", "kill {number}");
            assert_eq!(rows_read(&source) - before, 29_000 - kept, "kill {number}");
        }
        holder.signal("TERM");
        holder.end();
        let target = Database::new(crate::command::server(), "held_dst").unwrap();
        let output = pghaul(&["restore", "--archive"]).arg(&archive).target(&target.url()).run();
        assert_eq!(output.code, 0, "kill {number}: {output:?}");
        let options = OracleOptions::new();
        oracle::compare(&copy.url(), &target.url(), &options).wait().unwrap().check().unwrap();
        // As it was, for the next kill.
        source
            .execute(
                "drop table big, written, bare; select lo_unlink(oid) from pg_largeobject_metadata",
            )
            .wait()
            .unwrap();
        source.execute(FRAMES).wait().unwrap();
    }
}

#[test]
fn a_restore_that_was_killed_goes_on() {
    let source = Database::new(server(), "killed_src").unwrap();
    source.execute(FRAMES).wait().unwrap();
    source
        .execute(
            "create index on written (f); create table child (id int primary key, big int8 references big);
             insert into child select g, g from generate_series(1, 100) g;
             create materialized view counted as select count(*) from big",
        )
        .wait()
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let output = dump_to(&source, &archive, &[]).run();
    assert_eq!(output.code, 0, "{output:?}");
    let restore = |target: &Database<'_>, more: &[&str]| {
        let flags = ["restore", "--progress", "json", "--jobs", "2", "--archive"];
        pghaul(&flags).arg(&archive).args(more).target(&target.url())
    };
    let target = Database::new(server(), "killed_dst").unwrap();
    let output = restore(&target, &[]).run();
    assert_eq!(output.code, 0, "{output:?}");
    let lines = output.stderr.lines().filter(|line| is_fact(line)).count();
    let lines = u64::try_from(lines).unwrap();
    let (mut within, kills) = (0, kills(5));
    for number in 0..kills {
        let target = Database::new(server(), "killed_dst").unwrap();
        let mut running = restore(&target, &[]).start();
        let line = 1 + (lines * number / kills + spread(number) % 4).min(lines - 2);
        running.wait_for_facts(usize::try_from(line).unwrap());
        std::thread::sleep(Duration::from_micros(spread(number) % 30_000));
        running.kill();
        let (output, kept) = loop {
            // The dead process' last transaction may still be committed.
            let begun = target.value("select to_regclass('pghaul.run')::text").wait().unwrap();
            let kept = receipts(&target);
            let flags: &[&str] = if begun.is_some() { &["--resume"] } else { &[] };
            let output = restore(&target, flags).run();
            // A new run does not wait for the dead one's session to go.
            if begun.is_some() || output.code != 20 {
                break (output, kept);
            }
        };
        within += u64::from(!kept.is_empty());
        assert_eq!(output.code, 0, "kill {number}: {}{}", output.stdout, output.stderr);
        let all = receipts(&target);
        for receipt in &kept {
            assert!(all.contains(receipt), "kill {number}: {receipt:?} was done again");
        }
        let options = OracleOptions::new();
        oracle::compare(&source.url(), &target.url(), &options).wait().unwrap().check().unwrap();
    }
    assert!(within >= kills / 2, "{within} of {kills}");
}

/// Committed pieces and steps, with the time of each.
fn receipts(target: &Database<'_>) -> Vec<Option<String>> {
    if target.value("select to_regclass('pghaul.step')::text").wait().unwrap().is_none() {
        return Vec::new();
    }
    let sql = "select part || ' ' || block || ' ' || line || ' ' || committed from pghaul.receipt \
               union all select id || ' ' || committed from pghaul.step";
    target.query_text(sql).wait().unwrap().into_iter().flatten().collect()
}
