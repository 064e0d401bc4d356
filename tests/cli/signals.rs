//! Ctrl-C and SIGTERM.

use expect_test::expect;
use pghaul_testbed::Database;

use crate::command::{Running, clone, database, pghaul, server};

/// 40 parts that take a minute at the rate of [`slow`].
fn many_parts() -> Database<'static> {
    let database = Database::new(server(), "source").unwrap();
    database
        .execute(
            "create table t (id int8 primary key, filler text);
             insert into t select i, repeat('x', 1000) from generate_series(1, 3000) i;",
        )
        .wait()
        .unwrap();
    database
}

/// Begins to clone, and has copied something when it returns.
fn slow(source: &Database<'_>, target: &Database<'_>) -> Running {
    let flags = ["--part-size", "64KiB", "--max-rate", "50kB", "--jobs", "1", "--progress", "json"];
    let mut running = clone(source, target, &flags).start();
    running.wait_for("piece_committed");
    running
}

fn count(database: &Database<'_>) -> u64 {
    database.value("select count(*) from t").wait().unwrap().unwrap().parse().unwrap()
}

#[test]
fn the_first_ctrl_c_ends_after_the_pieces_in_flight_and_resume_goes_on() {
    let (source, target) = (many_parts(), database("target"));
    let running = slow(&source, &target);
    running.signal("INT");
    let output = running.end();
    assert_eq!(output.code, 130, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("Stopped: "), "{}", output.stdout);
    assert!(output.stdout.contains("Go on with `pghaul clone --resume …`"), "{}", output.stdout);
    assert!(output.stderr.contains("stopping when what is in flight is done"), "{}", output.stderr);
    assert!(output.stdout.contains(", read back so far: 0 equal"), "{}", output.stdout);
    assert!(!output.stderr.contains("post_data"), "it has not come that far: {}", output.stderr);
    let kept = count(&target);
    assert!(kept > 0 && kept < 3000, "{kept} rows");
    // The rate of a run of some seconds is not that of a minute.
    let status = pghaul(&["status"]).target(&target.url()).run();
    assert!(status.stdout.contains("/s since it began"), "{}", status.stdout);

    let output = clone(&source, &target, &["--resume"]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(count(&target), 3000);
}

#[test]
fn the_second_signal_ends_at_once_and_the_first_gives_the_code() {
    let (source, target) = (many_parts(), database("target"));
    let mut running = slow(&source, &target);
    // What is in flight cannot end before the second signal comes.
    let holder = target.connect().wait().unwrap();
    holder.execute("begin; lock table pghaul.receipt in share mode").wait().unwrap();
    running.signal("TERM");
    running.wait_for("stopping when what is in flight is done");
    running.signal("INT");
    let output = running.end();
    holder.execute("rollback").wait().unwrap();
    assert_eq!(output.code, 143, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("stopping at once"), "{}", output.stderr);
    let output = clone(&source, &target, &["--resume", "--json"]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(count(&target), 3000);
}

#[test]
fn before_anything_is_written_one_signal_is_enough() {
    let (source, target) = (many_parts(), database("target"));
    let blocker = source.connect().wait().unwrap();
    blocker.execute("begin; lock table t in access exclusive mode").wait().unwrap();
    let running = clone(&source, &target, &["--json"]).start();
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() \
                   and application_name like 'pghaul%' and wait_event_type = 'Lock'";
    while source.value(waiting).wait().unwrap().as_deref() == Some("0") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    running.signal("TERM");
    let output = running.end();
    output.expect(&[&source, &target], &expect![[r#"
        exit code 143
        --- stdout
        {"v":1,"verb":"clone","outcome":"stopped","exit_code":143,"duration_ms":TIME,"findings":[],"kept":null}
        --- stderr
        stopping when what is in flight is done; ask again to stop at once
    "#]]);
}
