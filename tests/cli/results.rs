//! Results of verbs that did what they were asked.

use expect_test::expect;
use pghaul_testbed::{Role, clients};
use serde_json::{Value, json};

use crate::command::{clone, database, filled, pghaul};

#[test]
fn a_clone_says_what_was_carried_and_proven() {
    let (source, target) = (filled("source"), database("target"));
    clone(&source, &target, &["--verbose", "--progress", "none"]).run().expect(&[&source, &target], &expect![[r#"
        exit code 0
        --- stdout
        Cloned: DB1 (PostgreSQL 18.X) to DB2 (PostgreSQL 18.X) in TIME

          tables       2, read back: all equal to the source in count and digest
          rows         3,000
          data         296.8 KiB
          indexes      4 built
          constraints  3 added
          moment       one snapshot of the source
          time         preparing TIME, schema TIME, rows, indexes and reading back TIME, keys and the rest TIME

          public.letters           2,000 rows   269.5 KiB  equal
          public.people            1,000 rows    27.2 KiB  equal

        Found: 1 note
          note recomputed: a materialized view is recomputed on the target, not copied, and so not compared
            public.senders
            remedy: nothing, unless its query gives another result there
    "#]]);
    let sum = "select count(*) || ' ' || sum(id) from letters";
    assert_eq!(source.value(sum).wait().unwrap(), target.value(sum).wait().unwrap());
}

#[test]
fn a_clone_as_json_is_one_object() {
    let (source, target) = (filled("source"), database("target"));
    let output = clone(&source, &target, &["--json", "--progress", "none"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(output.stdout.lines().count(), 1);
    let mut result = output.json();
    expect![[r#"
        {
          "consistency": "snapshot",
          "constraints": 3,
          "duration_ms": "TIME",
          "exit_code": 0,
          "findings": [
            {
              "code": "recomputed",
              "message": "a materialized view is recomputed on the target, not copied, and so not compared",
              "object": "public.senders",
              "remedy": "nothing, unless its query gives another result there",
              "severity": "note"
            }
          ],
          "indexes": 4,
          "outcome": "complete",
          "phases": [
            {
              "duration_ms": "TIME",
              "name": "prepare"
            },
            {
              "duration_ms": "TIME",
              "name": "pre_data"
            },
            {
              "duration_ms": "TIME",
              "name": "data"
            },
            {
              "duration_ms": "TIME",
              "name": "post_data"
            }
          ],
          "source": {
            "database": "DB1",
            "server_version": "VERSION"
          },
          "tables": [
            {
              "bytes": 276000,
              "differences": [],
              "digest": "fd68cad78b7458b84259ffcbe549e55b",
              "digest_kind": "sha256-binary",
              "name": "letters",
              "schema": "public",
              "source_rows": 2000,
              "target_rows": 2000,
              "verified": true
            },
            {
              "bytes": 27893,
              "differences": [],
              "digest": "44ffce2e07d59d2a3bd847fdc250869b",
              "digest_kind": "sha256-binary",
              "name": "people",
              "schema": "public",
              "source_rows": 1000,
              "target_rows": 1000,
              "verified": true
            }
          ],
          "target": {
            "database": "DB2",
            "server_version": "VERSION"
          },
          "v": 1,
          "verb": "clone"
        }
    "#]].assert_eq(&pretty(&mut result, &[source.name(), target.name()]));
}

#[test]
fn progress_as_json_is_an_object_a_line() {
    let (source, target) = (filled("source"), database("target"));
    let output = clone(&source, &target, &["--progress", "json"]).run();
    assert_eq!(output.code, 0);
    let mut events = Vec::new();
    let mut rows = 0;
    for line in output.stderr.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["v"], json!(1), "{line}");
        if object["event"] == json!("piece_committed") {
            rows += object["rows"].as_u64().unwrap();
        }
        events.push(object["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(rows, 3000);
    for event in ["planned", "phase_started", "table_copied", "table_verified", "step_committed"] {
        assert!(events.iter().any(|one| one == event), "no {event} in {events:?}");
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let (source, target) = (filled("source"), database("target"));
    clone(&source, &target, &["--dry-run"]).run().expect(&[&source, &target], &expect![[r#"
        exit code 0
        --- stdout
        Would clone DB1 (PostgreSQL 18.X) to DB2 (PostgreSQL 18.X); nothing was written

        2 tables, 432.0 KiB on disk, in 2 parts
          public.letters   344.0 KiB      1 part  binary  every type has the same bytes on both servers
          public.people     88.0 KiB      1 part  binary  every type has the same bytes on both servers

        12 steps of the schema
          pre data             1  materialized view
          pre data             2  table
          index                2  index
          index                2  index of a constraint
          post data            2  constraint
          post data            1  fk constraint, not validated
          post data            1  validation of a fk constraint
          refresh              1  refresh of a materialized view

        0 sequences to set
    "#]]);
    let schemas = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(target.value(schemas).wait().unwrap().as_deref(), Some("0"));
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(target.value(tables).wait().unwrap().as_deref(), Some("0"));
}

#[test]
fn a_dry_run_as_json() {
    let (source, target) = (filled("source"), database("target"));
    let output = clone(&source, &target, &["--dry-run", "--json", "--include", "*.people"]).run();
    assert_eq!(output.code, 0, "{}", output.stderr);
    let mut result = output.json();
    expect![[r#"
        {
          "dry_run": true,
          "duration_ms": "TIME",
          "exit_code": 0,
          "findings": [],
          "outcome": "complete",
          "plan": {
            "disk_bytes": 90112,
            "parts": 1,
            "refreshes": [],
            "sequences": 0,
            "steps": [
              {
                "kind": "TABLE",
                "makes": "table",
                "object": "public.people",
                "stage": "pre_data"
              },
              {
                "kind": "INDEX",
                "makes": "index",
                "object": "public.people_name",
                "stage": "index"
              },
              {
                "kind": "CONSTRAINT",
                "makes": "index of a constraint",
                "object": "public.people people_pkey",
                "stage": "index"
              },
              {
                "kind": "CONSTRAINT",
                "makes": "constraint",
                "object": "public.people people_pkey",
                "stage": "post_data"
              }
            ],
            "tables": [
              {
                "disk_bytes": 90112,
                "format": "binary",
                "name": "people",
                "parts": 1,
                "reason": "every type has the same bytes on both servers",
                "schema": "public",
                "written_to": {
                  "name": "people",
                  "schema": "public"
                }
              }
            ]
          },
          "source": {
            "database": "DB1",
            "server_version": "VERSION"
          },
          "target": {
            "database": "DB2",
            "server_version": "VERSION"
          },
          "v": 1,
          "verb": "clone"
        }
    "#]]
    .assert_eq(&pretty(&mut result, &[source.name(), target.name()]));
}

#[test]
fn a_check_that_finds_a_blocker_is_1_and_writes_nothing() {
    let (source, target) = (filled("source"), database("target"));
    let check = |url: &str, more: &[&str]| {
        let pg_dump = clients().unwrap().pg_dump();
        let check = pghaul(&["check", "--pg-dump"]).arg(pg_dump).args(more);
        check.source(url).target(&target.url()).run()
    };
    check(&source.url(), &[]).expect(
        &[&source, &target],
        &expect![[r#"
        exit code 0
        --- stdout
        Nothing stands in the way.

          source  postgres@127.0.0.1:PORT/DB1 (PostgreSQL 18.X)
          target  postgres@127.0.0.1:PORT/DB2 (PostgreSQL 18.X)
    "#]],
    );
    let stranger = Role::create(source.server(), "stranger", "").unwrap();
    let url = source.url_as(&stranger);
    let mut output = check(&url, &[]);
    output.stdout = output.stdout.replace(&stranger.name, "ROLE");
    output.expect(&[&source, &target], &expect![[r#"
        exit code 1
        --- stdout
        Something stands in the way.

          source  ROLE@127.0.0.1:PORT/DB1 (PostgreSQL 18.X)
          target  postgres@127.0.0.1:PORT/DB2 (PostgreSQL 18.X)

        Found: 3 blockers
          blocker unreadable: the role lacks SELECT
            public.letters
            public.people
            public.senders
            remedy: grant it to the role, connect as the owner or a superuser, or exclude it with --exclude
    "#]]);
    let json = check(&url, &["--json"]).json();
    assert_eq!((&json["outcome"], &json["exit_code"]), (&json!("findings"), &json!(1)));
    assert_eq!(check(&url, &["--exclude", "public.*"]).code, 0);
    let pg_dump = clients().unwrap().pg_dump();
    let alone = pghaul(&["check", "--pg-dump"]).arg(pg_dump).source(&source.url()).run();
    assert_eq!(alone.code, 0, "{}{}", alone.stdout, alone.stderr);
    let schemas = "select count(*) from pg_namespace where nspname = 'pghaul'";
    for database in [&source, &target] {
        assert_eq!(database.value(schemas).wait().unwrap().as_deref(), Some("0"));
    }
}

#[test]
fn status_before_and_after_a_clone() {
    let (source, target) = (filled("source"), database("target"));
    let status = |more: &[&str]| pghaul(&["status"]).args(more).target(&target.url()).run();
    status(&[]).expect(
        &[&source, &target],
        &expect![[r#"
        exit code 0
        --- stdout
        No run in postgres@127.0.0.1:PORT/DB2.
    "#]],
    );
    assert_eq!(status(&["--json"]).json()["run"], Value::Null);
    assert_eq!(clone(&source, &target, &[]).run().code, 0);
    let mut output = status(&[]);
    let json = status(&["--json"]).json();
    output.stdout = output.stdout.replace(json["run"]["id"].as_str().unwrap(), "RUN");
    output.expect(
        &[&source, &target],
        &expect![[r#"
            exit code 0
            --- stdout
            run RUN: finished in TIME

              source    DB1 (PostgreSQL 18.X)
              target    DB2 (PostgreSQL 18.X)
              begun     TIME ago, by pghaul 0.1.0
              phase     complete
              tables    2 of 2 copied
              parts     2 of 2 done: 3,000 rows, 296.8 KiB
              steps     17 done

              note recomputed: public.senders: a materialized view is recomputed on the target, not copied, and so not compared
                remedy: nothing, unless its query gives another result there
        "#]],
    );
    assert_eq!(json["run"]["finished"], json!(true));
    assert_eq!(json["run"]["rows"], json!(3000));
    assert_eq!(json["run"]["tables"][0]["parts_done"], json!(1));
}

#[test]
fn finish_removes_the_state_of_a_finished_run_only() {
    let (source, target) = (filled("source"), database("target"));
    let finish = |more: &[&str]| pghaul(&["finish"]).args(more).target(&target.url()).run();
    finish(&[]).expect(
        &[&source, &target],
        &expect![[r#"
        exit code 20
        --- stderr
        error: target: there is no run to finish
    "#]],
    );
    assert_eq!(clone(&source, &target, &[]).run().code, 0);
    finish(&[]).expect(
        &[&source, &target],
        &expect![[r#"
        exit code 0
        --- stdout
        Finished: the run's state is gone from postgres@127.0.0.1:PORT/DB2; the data stays.
    "#]],
    );
    assert_eq!(
        target.value("select count(*) from letters").wait().unwrap().as_deref(),
        Some("2000")
    );
    let schemas = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(target.value(schemas).wait().unwrap().as_deref(), Some("0"));
}

#[test]
fn a_run_goes_on_or_begins_again_when_asked_to() {
    let (source, target) = (filled("source"), database("target"));
    assert_eq!(clone(&source, &target, &[]).run().code, 0);
    source.execute("insert into people values (0, 'late')").wait().unwrap();
    assert_eq!(clone(&source, &target, &["--restart"]).run().code, 0);
    let late = "select count(*) from people where id = 0";
    assert_eq!(target.value(late).wait().unwrap().as_deref(), Some("1"));
}

/// With keys in order, and without what differs from run to run.
fn pretty(value: &mut Value, names: &[&str]) -> String {
    steady(value, names);
    format!("{value:#}\n")
}

fn steady(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name.ends_with("duration_ms") {
                    *field = json!("TIME");
                }
                if name == "server_version" {
                    *field = json!("VERSION");
                }
                steady(field, names);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| steady(item, names)),
        Value::String(text) => {
            if let Some(at) = names.iter().position(|name| name == text) {
                *text = format!("DB{}", at + 1);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
