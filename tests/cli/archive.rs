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
    let against = || {
        let output = pghaul(&["verify", "--archive", path, "--json", "--pg-dump"]);
        output.arg(clients().unwrap().pg_dump()).target(&target.url()).run()
    };
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
    let result = outcome(&changed);
    let table = result["tables"].as_array().unwrap().iter().find(|one| one["name"] == "t").unwrap();
    let rows = table["differences"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{table}");
    assert_eq!((&rows[0]["kind"], &rows[0]["key"]["id"]), (&"changed".into(), &"7".into()));
    assert_eq!((&rows[0]["columns"][0], &rows[0]["source_ctid"]), (&"v".into(), &().into()));
    let out = folder.path().join("rows.jsonl");
    let text = pghaul(&["verify", "--archive", path, "--data-only", "--out"]);
    let text = text.arg(&out).target(&target.url()).run();
    assert!(text.stdout.contains("changed  id=7 in v"), "{text:?}");
    let line = std::fs::read_to_string(&out).unwrap();
    let line: serde_json::Value = serde_json::from_str(line.trim_end()).unwrap();
    assert_eq!((&line["table"], &line["key"]["id"]), (&"t".into(), &"7".into()));
    let alone = pghaul(&["verify", "--archive", path, "--out"]).arg(&out).run();
    assert_eq!(alone.code, 2, "{alone:?}");
    target.execute("alter table empty add more int").wait().unwrap();
    let changed = outcome(&against());
    assert_eq!(changed["schema"][0]["object"], "public.empty");
    assert_eq!(changed["schema"][0]["difference"], "changed");
    let without = pghaul(&["verify", "--archive", path, "--data-only"]).run();
    assert_eq!(without.code, 2, "{without:?}");

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

/// What `restore` reads on stdin, from a file that is cut or changed.
fn restore_stream(bytes: &[u8], target: &Database<'_>, more: &[&str]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let output = pghaul(&["restore", "--archive", "-", "--json"]).args(more);
    output.stdin(file.into()).target(&target.url()).run()
}

#[test]
fn a_stream_that_is_cut_ends_with_21_and_an_unfinished_run() {
    let source = database(Major::V18, "stream_src");
    source
        .execute(
            "create table t (id int primary key, v text); \
             insert into t select g, md5(g::text) from generate_series(1, 1000) g; \
             create table other as select 1 as x; create view seen as select * from t",
        )
        .wait()
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("stream.tar");
    let output = pghaul(&["dump", "--archive", "-", "--progress", "none"])
        .arg("--pg-dump")
        .arg(clients().unwrap().pg_dump())
        .stdout(std::fs::File::create(&file).unwrap().into())
        .source(&source.url())
        .run();
    assert_eq!(output.code, 0, "{output:?}");
    let whole = std::fs::read(&file).unwrap();
    let target = database(Major::V18, "stream_dst");
    let places = (0..16).map(|part| whole.len() * part / 16 + part * 37).chain([whole.len() - 1]);
    for cut in places {
        let output = restore_stream(&whole[..cut], &target, &["--restart"]);
        assert_eq!(output.code, 21, "cut at {cut} of {}: {output:?}", whole.len());
        let begun = target.value("select to_regclass('pghaul.run')::text").wait().unwrap();
        if begun.is_some() {
            let status = pghaul(&["status", "--json"]).target(&target.url()).run();
            assert_eq!(status.code, 0, "{status:?}");
            let run = &outcome(&status)["run"];
            assert!(run["finished"] == false && run["phase"] != "complete", "{status:?}");
            let finish = pghaul(&["finish"]).target(&target.url()).run();
            assert_eq!(finish.code, 20, "{finish:?}");
            let resumed = restore_stream(&whole, &target, &["--resume"]);
            assert_eq!(resumed.code, 2, "{resumed:?}");
        }
    }
    let output = restore_stream(&whole, &target, &["--restart"]);
    assert_eq!(output.code, 0, "{output:?}");
    let rows = "select md5(string_agg(t::text, '' order by id)) from t";
    assert_eq!(source.value(rows).wait().unwrap(), target.value(rows).wait().unwrap());
}

/// Whoever writes the stream stands still: the signal is heard all the same.
#[test]
fn a_restore_of_a_stream_that_stands_still_can_be_stopped() {
    let target = database(Major::V18, "still_dst");
    // Nobody writes to its stdin, nor closes it.
    let (stdin, _open) = std::io::pipe().unwrap();
    let mut restore =
        pghaul(&["restore", "--archive", "-"]).stdin(stdin.into()).target(&target.url()).start();
    restore.wait_for_handlers();
    restore.signal("TERM");
    let output = restore.end();
    assert_eq!(output.code, 143, "{output:?}");
}

/// An older archive that cannot be removed takes nothing from the new one, nor from the others.
#[test]
fn an_older_archive_that_cannot_be_removed_is_a_warning() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let source = database(Major::V18, "shelf");
    source.execute("create table t as select 1 as x").wait().unwrap();
    let shelf = tempfile::tempdir().unwrap();
    let dump = |keep: &str| {
        let output = pghaul(&["dump", "--json", "--keep", keep, "--archive-in"]).arg(shelf.path());
        let output = output.arg("--pg-dump").arg(clients().unwrap().pg_dump());
        output.source(&source.url()).bound_by_permissions().run()
    };
    let folder = |output: &Output| {
        std::path::PathBuf::from(outcome(output)["archive"].as_str().unwrap_or_else(|| {
            panic!("{output:?}");
        }))
    };
    let (first, second) = (dump("9"), dump("9"));
    assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
    let (first, second) = (folder(&first), folder(&second));
    set_permissions(&second, Permissions::from_mode(0o555)).unwrap();
    let third = dump("1");
    set_permissions(&second, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(third.code, 1, "{third:?}");
    let newest = folder(&third);
    let findings = &outcome(&third)["findings"];
    let left = findings.as_array().unwrap().iter().find(|one| one["code"] == "archive_not_removed");
    let left = left.unwrap_or_else(|| panic!("{third:?}"));
    assert_eq!(left["object"], second.to_str().unwrap());
    assert!(left["message"].as_str().unwrap().contains(newest.to_str().unwrap()), "{left}");
    assert!(newest.exists() && second.exists() && !first.exists());
    let good = pghaul(&["verify", "--archive", newest.to_str().unwrap()]).run();
    assert_eq!(good.code, 0, "{good:?}");
}
