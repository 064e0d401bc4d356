//! A database into an archive, the archive verified, and a database made of it.

use pghaul_testbed::{Database, Major, Server, clients};

use crate::command::{Output, pghaul};

fn database(major: Major, hint: &str) -> Database<'static> {
    Database::new(Server::shared(major).unwrap(), hint).unwrap()
}

fn outcome(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn an_archive_is_made_verified_restored_and_held_against_a_database() {
    let source = database(Major::V14, "archive_src");
    source
        .execute(
            "create table t (id int primary key, v text); \
             insert into t select g, repeat(md5(g::text), 20) from generate_series(1, 3000) g; \
             create table empty (id int); select lo_from_bytea(4711, 'abc')",
        )
        .wait()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let path = archive.to_str().unwrap();
    let dump = |more: &[&str]| {
        let output = pghaul(&["dump", "--archive", path, "--json"]);
        output.args(more).arg("--pg-dump").arg(clients().unwrap().pg_dump()).source(&source.url())
    };
    let dumped = dump(&[]).run();
    assert_eq!(dumped.code, 0, "{dumped:?}");

    let alone = pghaul(&["verify", "--archive", path, "--json"]).run();
    assert_eq!(alone.code, 0, "{alone:?}");
    let tables = outcome(&alone)["tables"].as_array().unwrap().len();
    assert_eq!(tables, 2);

    let target = database(Major::V18, "archive_dst");
    let against = || pghaul(&["verify", "--archive", path, "--json"]).target(&target.url()).run();
    let nothing_there = against();
    assert_eq!(nothing_there.code, 1, "{nothing_there:?}");
    assert!(nothing_there.stdout.contains("table_missing"), "{nothing_there:?}");
    let restored = pghaul(&["restore", "--archive", path, "--json"]).target(&target.url()).run();
    assert_eq!(restored.code, 0, "{restored:?}");
    let equal = against();
    assert_eq!(equal.code, 0, "{equal:?}");
    target.execute("update t set v = 'other' where id = 7").wait().unwrap();
    let changed = against();
    assert_eq!(changed.code, 1, "{changed:?}");
    assert!(changed.stdout.contains("rows_differ"), "{changed:?}");

    let mut pieces = std::fs::read_dir(archive.join("data")).unwrap();
    let piece = pieces.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&piece).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&piece, bytes).unwrap();
    let damaged = pghaul(&["verify", "--archive", path]).run();
    assert_eq!(damaged.code, 21, "{damaged:?}");
    let another = database(Major::V18, "archive_bad");
    let refused = pghaul(&["restore", "--archive", path]).target(&another.url()).run();
    assert_eq!(refused.code, 21, "{refused:?}");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let nowhere = pghaul(&["verify", "--archive", "/nonexistent/archive"]).run();
    assert!([21, 40].contains(&nowhere.code), "{nowhere:?}");
    let stream = pghaul(&["verify", "--archive", "-"]).run();
    assert_eq!(stream.code, 2, "{stream:?}");
    assert!(stream.stderr.contains("tar x"), "{stream:?}");
    let neither = pghaul(&["verify"]).run();
    assert_eq!(neither.code, 2, "{neither:?}");
    let both = pghaul(&["verify", "--archive", "a", "--rows"]).run();
    assert_eq!(both.code, 2, "{both:?}");
}
