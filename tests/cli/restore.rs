//! The flags of `restore` that it shares with `clone`.

use pghaul_testbed::{Database, Major, Server, clients};

use crate::command::pghaul;

fn database(major: Major, hint: &str) -> Database<'static> {
    Database::new(Server::shared(major).unwrap(), hint).unwrap()
}

fn value(database: &Database<'_>, sql: &str) -> Option<String> {
    database.value(sql).wait().unwrap()
}

/// Two tables with a foreign key between them, in an archive.
fn archived(folder: &std::path::Path) -> String {
    let source = database(Major::V14, "restore_src");
    source
        .execute(
            "create table a (id int primary key, v text); \
             insert into a select g, md5(g::text) from generate_series(1, 2000) g; \
             create table b (id int primary key, a int references a); \
             insert into b select g, g from generate_series(1, 2000) g; \
             create materialized view m as select count(*) from a",
        )
        .wait()
        .unwrap();
    let path = folder.join("archive").to_str().unwrap().to_owned();
    let dumped = pghaul(&["dump", "--archive", &path, "--pg-dump"])
        .arg(clients().unwrap().pg_dump())
        .source(&source.url())
        .run();
    assert_eq!(dumped.code, 0, "{dumped:?}");
    path
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(folder.path());
    let target = database(Major::V18, "restore_dry");
    let planned = pghaul(&["restore", "--archive", &path, "--dry-run"]).target(&target.url()).run();
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(planned.stdout.starts_with("Would restore "), "{planned:?}");
    assert!(
        planned.stdout.contains("public.a") && planned.stdout.contains("binary"),
        "{planned:?}"
    );
    let written = "select count(*) from pg_class where relnamespace::regnamespace::text !~ '^pg_|^information_schema'";
    assert_eq!(value(&target, written).as_deref(), Some("0"));
    let stream = pghaul(&["restore", "--archive", "-", "--dry-run"]).target(&target.url()).run();
    assert_eq!(stream.code, 2, "{stream:?}");
}

#[test]
fn what_was_deferred_is_done_by_a_resume_and_one_table_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(folder.path());
    let target = database(Major::V18, "restore_later");
    let restore = |more: &[&str]| {
        pghaul(&["restore", "--archive", &path]).args(more).target(&target.url()).run()
    };
    let first = restore(&["--defer", "validation", "--defer", "matviews", "--memory", "40MiB"]);
    assert_eq!(first.code, 0, "{first:?}");
    let validated = "select convalidated from pg_constraint where conname = 'b_a_fkey'";
    let populated = "select relispopulated from pg_class where relname = 'm'";
    assert_eq!(value(&target, validated).as_deref(), Some("f"));
    assert_eq!(value(&target, populated).as_deref(), Some("f"));
    let conflicting = restore(&["--resume", "--no-owner"]);
    assert_eq!(conflicting.code, 2, "{conflicting:?}");
    let resumed = restore(&["--resume"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert_eq!(value(&target, validated).as_deref(), Some("t"));
    assert_eq!(value(&target, populated).as_deref(), Some("t"));

    target.execute("delete from b where id = 7").wait().unwrap();
    let again = restore(&["--resume", "--restart-tables", "public.b"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(value(&target, "select count(*) from b").as_deref(), Some("2000"));
}
