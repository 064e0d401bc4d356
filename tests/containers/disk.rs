//! A target without room, for rows or for WAL: the run ends with its own exit code, and goes on once
//! there is room.

use pghaul_testbed::Major;
use pghaul_testbed::containers::{Network, Server, Setup};

use crate::command::pghaul;
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

/// A repair keeps the rows as they were in the very database that it repairs: that can be too much.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_a_repair_that_goes_on_once_there_is_room() {
    // Its WAL has room enough.
    let setup = Setup::default().set("autovacuum", "off").disk(120 << 20).wal_disk(256 << 20, 0);
    let network = Network::new().unwrap();
    let server = Server::start(&network, Major::V14, &setup).await.unwrap();
    // 2,000 rows of some 9 kB, which do not compress, and 1,500 of them once more.
    for (database, sql) in [
        ("postgres", "create database app"),
        (
            "app",
            "create table people (id serial primary key, email text not null, note text);
             insert into people (email, note)
               select 'e' || g, (select string_agg(md5(g::text || n::text), '') from generate_series(1, 290) n)
                 from generate_series(1, 2000) g;
             create unique index people_email on people (email);
             update pg_index set indisunique = false where indexrelid = 'people_email'::regclass;
             insert into people (email, note) select email, note from people where id <= 1500;
             update pg_index set indisunique = true where indexrelid = 'people_email'::regclass;
             checkpoint",
        ),
    ] {
        server.execute(database, sql).await.unwrap();
    }
    let rows = "set enable_indexscan = off; set enable_bitmapscan = off; \
                select md5(string_agg(md5(t::text), '' order by id)) from only people t";
    let before = server.value("app", rows).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    let duplicates = |verb: &str, more: &[&str]| {
        pghaul(&["duplicates", verb])
            .args(more)
            .args(&["--progress", "none"])
            .env("PGHAUL_DATABASE", server.url("app"))
            .run()
    };
    let plan = plan.to_str().unwrap();
    let planned = duplicates("plan", &["--keep", "lowest", "--out", plan]);
    assert_eq!(planned.code, 0, "{}{}", planned.stdout, planned.stderr);

    let mut ballast = 0;
    let fill = "as select repeat(md5(g::text), 30) from generate_series(1, 4000) g";
    loop {
        let sql = format!("create table ballast{ballast} {fill}");
        match server.execute("postgres", sql).await {
            Ok(()) => ballast += 1,
            Err(error) => break assert_eq!(error.sqlstate(), Some("53100"), "{error}"),
        }
    }
    // Room for some batches, but not for all.
    for last in ballast - 2..ballast {
        server.execute("postgres", format!("drop table ballast{last}")).await.unwrap();
    }
    let output = duplicates("repair", &["--plan", plan, "--batch-rows", "50"]);
    assert_eq!(output.code, 12, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("SQLSTATE 53100"), "{}", output.stderr);
    let done = "select count(*) || ' ' || (select count(*) from people) from pghaul.undo_row";
    let done = server.value("app", done).await.unwrap().unwrap();
    let (kept, left) = done.split_once(' ').unwrap();
    let (kept, left): (u64, u64) = (kept.parse().unwrap(), left.parse().unwrap());
    assert!(kept > 0 && kept < 1500, "{kept}");
    assert_eq!(kept + left, 3500);

    for one in 0..ballast - 2 {
        server.execute("postgres", format!("drop table ballast{one}")).await.unwrap();
    }
    let output = duplicates("repair", &["--plan", plan]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let twice = "select count(*) - count(distinct email) from only people";
    assert_eq!(server.value("app", twice).await.unwrap().as_deref(), Some("0"));
    let output = duplicates("undo", &["--drop-indexes"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(server.value("app", rows).await.unwrap(), before);
}
