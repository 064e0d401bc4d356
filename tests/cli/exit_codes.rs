//! Each exit code once, with what a person reads then.
//!
//! 0 is in `results.rs`, 130 and 143 are in `signals.rs`; 21 needs archives, 70 needs a bug.

use std::fs::File;
use std::process::Stdio;

use expect_test::expect;
use pghaul_testbed::servers::OURS;
use pghaul_testbed::{Database, Major, Options, Role, Server};

use crate::command::{clone, database, filled, pghaul};

#[test]
fn code_1_an_index_is_left_out_because_rows_share_its_key() {
    let (source, target) = (filled("source"), database("target"));
    // What a damaged unique index lets in.
    source
        .execute(
            "update pg_index set indisready = false where indexrelid = 'people_name'::regclass;
             insert into people values (1001, 'person 7');
             update pg_index set indisready = true where indexrelid = 'people_name'::regclass;",
        )
        .wait()
        .unwrap();
    clone(&source, &target, &["--progress", "none"]).run().expect(&[&source, &target], &expect![[r#"
        exit code 1
        --- stdout
        Cloned, with warnings: DB1 (PostgreSQL 18.X) to DB2 (PostgreSQL 18.X) in TIME

          tables       2, read back: all equal to the source in count and digest
          rows         3,001
          data         296.8 KiB
          indexes      3 built
          constraints  3 added
          moment       one snapshot of the source
          time         preparing TIME, schema TIME, rows, indexes and reading back TIME, keys and the rest TIME

        Found: 1 warning, 1 note
          warning duplicates: the unique index could not be built: groups of rows in `public.people` that share its key: 1; rows too many: 1: ctid (0,7) id=7, ctid (6,59) id=1001; all in pghaul.duplicate_row of the target
            public.people_name
            remedy: mend the groups, then go on with `pghaul clone --resume`
          note recomputed: a materialized view is recomputed on the target, not copied, and so not compared
            public.senders
            remedy: nothing, unless its query gives another result there
    "#]]);
    let rows = "select count(*) from people";
    assert_eq!(target.value(rows).wait().unwrap().as_deref(), Some("1001"));
}

#[test]
fn code_2_a_flag_that_is_not_there() {
    pghaul(&["clone", "--sorce", "postgres://u:s3cret@h/d"]).run().expect(
        &[],
        &expect![[r#"
        exit code 2
        --- stderr
        error: unexpected argument '--sorce' found

          tip: a similar argument exists: '--source'

        Usage: pghaul clone --source <URL> --target <URL>

        For more information, try '--help'.
    "#]],
    );
}

/// What the handbook says: the same command with `--resume` goes on.
#[test]
fn code_2_a_flag_that_the_run_did_not_begin_with() {
    let (source, target) = (filled("source"), database("target"));
    let begun = [
        "--progress=none",
        "--defer=validation",
        "--exclude=public.letters",
        "--no-owner",
        "--no-privileges",
        "--verify=rows",
        "--format=text",
        "--part-size=1MiB",
    ];
    assert_eq!(clone(&source, &target, &begun).run().code, 0);
    let same = [&begun[..1], &begun[2..], &["--resume"]].concat();
    let output = clone(&source, &target, &same).run();
    assert_eq!(output.code, 0, "{}", output.stderr);
    for (flag, other) in [
        ("--exclude", "--exclude=public.people"),
        ("--include", "--include=public.people"),
        ("--verify", "--verify=full"),
        ("--format", "--format=auto"),
        ("--part-size", "--part-size=2MiB"),
        ("--schema-only", "--schema-only"),
        ("--data-only", "--data-only"),
    ] {
        let output = clone(&source, &target, &["--resume", "--progress=none", other]).run();
        assert_eq!(output.code, 2, "{other}: {}", output.stderr);
        let said = format!(
            "error: the run in the target did not begin with this {flag}\n  hint:  go on with what it \
             began with: leave {flag} out; or begin again with --restart\n"
        );
        assert_eq!(output.stderr, said);
    }
    let begun_with_all = database("target");
    assert_eq!(clone(&source, &begun_with_all, &["--progress=none"]).run().code, 0);
    for flag in ["--no-owner", "--no-privileges"] {
        let output = clone(&source, &begun_with_all, &["--resume", flag]).run();
        assert_eq!(output.code, 2, "{flag}: {}", output.stderr);
    }
}

#[test]
fn code_2_a_size_out_of_bounds() {
    pghaul(&["clone", "--source", "", "--target", "", "--part-size", "1kB"]).run().expect(
        &[],
        &expect![[r#"
            exit code 2
            --- stderr
            error: invalid value '1kB' for '--part-size <SIZE>': a part is between 64KiB and 1TiB

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn code_2_a_parameter_that_is_not_supported() {
    pghaul(&["status", "--target", "host=h gssencmode=require password=s3cret"])
        .run()
        .expect(&[], &expect![[r#"
            exit code 2
            --- stderr
            error: cannot use the connection parameters of the target
              cause: the connection string sets `gssencmode`, which pghaul does not support other than `disable` or `prefer`
              hint:  see the Postgres manual, 34.1, for connection strings
        "#]]);
}

#[test]
fn code_2_a_pattern_that_matches_nothing() {
    let (source, target) = (filled("source"), database("target"));
    clone(&source, &target, &["--exclude", "public.leters"]).run().expect(
        &[&source, &target],
        &expect![[r#"
            exit code 2
            --- stderr
            error: the pattern `public.leters` matches no table of the source
              hint:  patterns are globs over schema.table, such as public.statuses or 'audit_*.*'
        "#]],
    );
}

#[test]
fn code_2_source_and_target_are_one_database() {
    let source = filled("source");
    clone(&source, &source, &["--json"]).run().expect(&[&source], &expect![[r#"
        exit code 2
        --- stdout
        {"v":1,"verb":"clone","outcome":"failed","exit_code":2,"duration_ms":TIME,"findings":[],"error":{"kind":"usage","message":"source and target are the same database","causes":[],"hint":"check host, port and database of --source and --target","sqlstate":null,"kept":null}}
        --- stderr
        error: source and target are the same database
          hint:  check host, port and database of --source and --target
    "#]]);
    // By another name.
    let socket = format!(
        "host={} port={} user=postgres dbname={}",
        source.server().socket_dir().display(),
        source.server().port(),
        source.name()
    );
    let output = clone(&source, &source, &[]).target(&socket).run();
    assert_eq!(output.code, 2, "{}", output.stderr);
    let written = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(source.value(written).wait().unwrap().as_deref(), Some("0"));
}

#[test]
fn code_10_nobody_listens() {
    let source = "postgres://u:s3cret@127.0.0.1:1/d";
    pghaul(&["clone"]).source(source).target(source).run().expect(&[], &expect![[r#"
        exit code 10
        --- stderr
        error: cannot connect to the source, u@127.0.0.1:1/d
          cause: source: 127.0.0.1:1: Connection refused (os error 111)
          hint:  check host, port and firewalls, and that the server runs and listens there (listen_addresses, port)
    "#]]);
}

#[test]
fn code_10_a_wrong_password() {
    let target = database("target");
    let url = target.server().url_as(target.name(), "postgres", "wrong");
    pghaul(&["status"]).target(&url).run().expect(&[&target], &expect![[r#"
        exit code 10
        --- stderr
        error: cannot connect to the target, postgres@127.0.0.1:PORT/DB1
          cause: target: FATAL: password authentication failed for user "postgres" (SQLSTATE 28P01)
          hint:  check user and password (or the password file), and that pg_hba.conf has a line for this user, database and address
    "#]]);
}

#[test]
fn code_11_no_pg_dump() {
    let (source, target) = (filled("source"), database("target"));
    pghaul(&["clone", "--pg-dump", "/nowhere/pg_dump"])
        .source(&source.url())
        .target(&target.url())
        .run()
        .expect(
            &[&source, &target],
            &expect![[r#"
                exit code 11
                --- stderr
                error: one thing stands in the way

                Found: 1 blocker
                  blocker pg_dump_unusable: cannot use /nowhere/pg_dump as pg_dump: it does not run: No such file or directory (os error 2)
                    remedy: name the program itself, like /usr/lib/postgresql/18/bin/pg_dump
            "#]],
        );
    let schemas = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(target.value(schemas).wait().unwrap().as_deref(), Some("0"));
}

#[test]
fn code_11_a_pg_dump_that_is_too_old() {
    let (source, target) = (filled("source"), database("target"));
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("pg_dump");
    pghaul_testbed::script(&program, "echo 'pg_dump (PostgreSQL) 17.4'").unwrap();
    let mut output = pghaul(&["clone", "--pg-dump"])
        .arg(&program)
        .source(&source.url())
        .target(&target.url())
        .run();
    output.stderr = output.stderr.replace(folder.path().to_str().unwrap(), "FOLDER");
    output.expect(&[&source, &target], &expect![[r#"
        exit code 11
        --- stderr
        error: one thing stands in the way

        Found: 1 blocker
          blocker pg_dump_unusable: cannot read the schema of PostgreSQL 18.X without pg_dump 18 or newer: found: FOLDER/pg_dump (17.4)
            remedy: install the client programs of PostgreSQL 18 (Debian and Ubuntu: postgresql-client-18; Red Hat and its kin: postgresql18; Homebrew: postgresql@18 or libpq), or name a pg_dump with --pg-dump PATH
    "#]]);
}

#[test]
fn code_11_all_that_stands_in_the_way_at_once() {
    let (source, target) = (filled("source"), database("target"));
    let stranger = Role::create(source.server(), "stranger", "").unwrap();
    target.execute("create table letters ()").wait().unwrap();
    let mut output = clone(&source, &target, &[]).source(&source.url_as(&stranger)).run();
    output.stderr = output.stderr.replace(&stranger.name, "ROLE");
    output.expect(&[&source, &target], &expect![[r#"
        exit code 11
        --- stderr
        error: 4 things stand in the way

        Found: 4 blockers
          blocker target_not_empty: the target is not empty: it has this TABLE already
            public.letters
            remedy: use an empty database, or leave it out with --exclude
          blocker unreadable: the role lacks SELECT
            public.letters
            public.people
            public.senders
            remedy: grant it to the role, connect as the owner or a superuser, or exclude it with --exclude
    "#]]);
}

#[test]
fn code_11_in_json_names_each_with_its_remedy() {
    let (source, target) = (filled("source"), database("target"));
    target.execute("create table letters (); create schema pghaul").wait().unwrap();
    let output = clone(&source, &target, &["--json"]).run();
    assert_eq!(output.code, 11, "{}", output.stderr);
    let result: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(result["outcome"], "failed");
    let findings = result["findings"].as_array().unwrap();
    let blockers: Vec<(&str, &str)> = findings
        .iter()
        .filter(|one| one["severity"] == "blocker")
        .map(|one| (one["code"].as_str().unwrap(), one["object"].as_str().unwrap()))
        .collect();
    assert_eq!(
        blockers,
        [("schema_pghaul_taken", "pghaul"), ("target_not_empty", "public.letters")]
    );
    assert!(findings.iter().all(|one| !one["remedy"].as_str().unwrap().is_empty()));
}

/// A table whose rows another database refuses.
const ONLY_AT_HOME: &str = "
    create function at_home() returns bool stable language sql
        return current_database() like 'source%';
    create table homely (id int8 primary key, constraint homely_at_home check (at_home()));
    insert into homely select generate_series(1, 10);
";

#[test]
fn code_12_and_then_the_run_goes_on_where_it_was() {
    let (source, target) = (filled("source"), database("target"));
    source.execute(ONLY_AT_HOME).wait().unwrap();
    let output = clone(&source, &target, &["--jobs", "1"]).run();
    output.expect(&[&source, &target], &expect![[r#"
        exit code 12
        --- stderr
        creating types, functions and tables
        440.0 KiB on disk in 3 tables, 3 parts
        copying rows, building indexes, reading back
        warning: public.homely homely_pkey: cannot build the index of CONSTRAINT public.homely homely_pkey, since it needs what failed: writing `public.homely`
        warning: public.senders: cannot refresh materialized view public.senders, since it needs what failed: writing `public.homely`
        adding keys, views, triggers, privileges
        error: cannot copy part 1 of 1 of `public.homely` (blocks 0 to the end)
          cause: cannot write `public.homely`
          cause: target: ERROR: new row for relation "homely" violates check constraint "homely_at_home" (SQLSTATE 23514)
          kept:  2 of 3 tables, 3,000 rows (296.8 KiB), 4 indexes; go on with `pghaul clone --resume …`
    "#]]);
    target.execute("alter table homely drop constraint homely_at_home").wait().unwrap();
    let output = clone(&source, &target, &["--resume"]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(target.value("select count(*) from homely").wait().unwrap().as_deref(), Some("10"));
}

#[test]
fn code_12_a_server_that_is_lost_in_mid_run() {
    let own = Server::start(Major::NEWEST, &Options::new()).unwrap();
    let (source, target) = (filled("source"), Database::new(&own, "target").unwrap());
    let flags = ["--progress", "json", "--jobs", "1", "--max-rate", "50kB", "--part-size", "64KiB"];
    let mut running = clone(&source, &target, &flags).args(&["--attempts", "2"]).start();
    running.wait_for("piece_committed");
    own.crash().unwrap();
    let output = running.end();
    assert_eq!(output.code, 12, "{}", output.stderr);
    assert!(output.stderr.contains("pghaul clone --resume"), "{}", output.stderr);
    own.start_again().unwrap();
    let output = clone(&source, &target, &["--resume"]).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn code_13_the_source_has_changed_since_the_snapshot() {
    let (source, target) = (filled("source"), database("target"));
    source.execute(ONLY_AT_HOME).wait().unwrap();
    assert_eq!(clone(&source, &target, &["--jobs", "1"]).run().code, 12);
    target.execute("alter table homely drop constraint homely_at_home").wait().unwrap();
    source.execute("update people set name = 'changed' where id = 500").wait().unwrap();
    source.until_left(OURS).wait().unwrap();
    clone(&source, &target, &["--resume"]).run().expect(&[&source, &target], &expect![[r#"
        exit code 13
        --- stderr
        creating types, functions and tables
        440.0 KiB on disk in 3 tables, 3 parts
        reading again on the source what was copied before, to compare: 296.8 KiB in 2 parts
        error: source: changed since the run began, and its snapshot is gone: `public.people`
          hint:  copy these again under a new snapshot with --resume --restart-tables PATTERN, or everything with --restart
    "#]]);
}

#[test]
fn code_20_a_run_is_there_already() {
    let (source, target) = (filled("source"), database("target"));
    assert_eq!(clone(&source, &target, &[]).run().code, 0);
    let mut output = clone(&source, &target, &[]).run();
    let (before, after) = output.stderr.split_once("(run ").unwrap();
    output.stderr = format!("{before}(run RUN{}", &after[12..]);
    output.expect(
        &[&source, &target],
        &expect![[r#"
        exit code 20
        --- stderr
        error: target: a finished run is in this database already (run RUN)
          hint:  remove its state with `pghaul finish`
    "#]],
    );
}

#[test]
fn code_20_there_is_no_run_to_resume() {
    let (source, target) = (filled("source"), database("target"));
    clone(&source, &target, &["--resume", "--log-format", "json"])
        .run()
        .expect(&[&source, &target], &expect![[r#"
            exit code 20
            --- stderr
            {"error":{"causes":[],"hint":"leave out --resume to begin one","kept":null,"kind":"run_state","message":"target: there is no run to resume","sqlstate":null},"event":"error","findings":[],"v":1}
        "#]]);
}

#[test]
fn code_40_the_result_cannot_be_written() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    pghaul(&["man"]).stdout(Stdio::from(full)).run().expect(
        &[],
        &expect![[r#"
        exit code 40
        --- stderr
        error: cannot write the result to stdout
          cause: No space left on device (os error 28)
    "#]],
    );
}
