//! `pghaul rebuild`.

use expect_test::expect;
use pghaul_testbed::Database;

use crate::command::{Pghaul, database, pghaul};

fn rebuild(database: &Database<'_>, more: &[&str]) -> Pghaul {
    pghaul(&["rebuild", "--progress", "none"]).args(more).env("PGHAUL_DATABASE", database.url())
}

/// A unique index that is not valid, and one that two rows forbid.
fn damaged(hint: &str) -> Database<'static> {
    let database = database(hint);
    database
        .execute(
            "create table people (id int8 primary key, name text not null, note text);
             insert into people select i, 'person ' || i from generate_series(1, 1000) i;
             create unique index people_name on people (name);
             create index people_note on people (note);
             update pg_index set indisvalid = false where indexrelid = 'people_note'::regclass;",
        )
        .wait()
        .unwrap();
    database
}

const TWINS: &str = "
    update pg_index set indisready = false where indexrelid = 'people_name'::regclass;
    insert into people values (1001, 'person 7');
    update pg_index set indisready = true where indexrelid = 'people_name'::regclass;
";

#[test]
fn what_needs_it_is_planned_and_then_rebuilt() {
    let database = damaged("needed");
    let planned = rebuild(&database, &["--dry-run", "--amcheck", "skip"]).run();
    planned.expect(
        &[&database],
        &expect![[r#"
        exit code 0
        --- stdout
        To rebuild: 1 index, 16.0 KiB: postgres@127.0.0.1:PORT/DB1
          public.people_note on public.people, 16.0 KiB
            reindex concurrently (invalid)
    "#]],
    );
    let invalid = "select count(*) from pg_index where not indisvalid";
    assert_eq!(database.value(invalid).wait().unwrap().as_deref(), Some("1"), "nothing was done");
    let done = rebuild(&database, &["--amcheck", "skip"]).run();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.starts_with("Rebuilt: "), "{done:?}");
    assert!(done.stdout.contains("indexes    1 of 1"), "{done:?}");
    assert_eq!(database.value(invalid).wait().unwrap().as_deref(), Some("0"));
    let nothing = rebuild(&database, &["--amcheck", "skip", "--json"]).run();
    assert_eq!(nothing.code, 0);
    assert_eq!(nothing.json()["indexes"], serde_json::json!([]));
}

#[test]
fn rows_in_the_way_are_named() {
    let database = damaged("twins");
    database.execute(TWINS).wait().unwrap();
    let output = rebuild(&database, &["--index", "people_name", "--json"]).run();
    assert_eq!(output.code, 1, "{output:?}");
    let json = output.json();
    assert_eq!(json["v"], 1);
    assert_eq!(json["verb"], "rebuild");
    assert_eq!(json["outcome"], "findings");
    let index = &json["indexes"][0];
    assert_eq!(
        (&index["index"], &index["result"], &index["groups"], &index["extra_rows"]),
        (&"people_name".into(), &"refused".into(), &1.into(), &1.into())
    );
    assert_eq!(index["sample"][0]["rows"][0]["primary_key"]["id"], "7");
    assert_eq!(index["sample"][0]["rows"][1]["primary_key"]["id"], "1001");
    assert!(!output.stdout.contains("person 7"), "no key is shown");
    let text = rebuild(&database, &["--index", "people_name"]).run();
    assert_eq!(text.code, 1);
    assert!(text.stdout.contains("id=7") && text.stdout.contains("id=1001"), "{}", text.stdout);
    // All of them, for a program.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("groups.jsonl");
    let all = rebuild(&database, &["--index", "people_name", "--out"]).arg(&out).run();
    assert_eq!(all.code, 1, "{all:?}");
    let lines = std::fs::read_to_string(&out).unwrap();
    let groups: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["index"], "people_name");
    assert_eq!(groups[0]["rows"][1]["primary_key"]["id"], "1001");
}

#[test]
fn what_cannot_be_asked_for() {
    let database = damaged("asked");
    let unknown = rebuild(&database, &["--index", "nobody"]).run();
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("there is no index `nobody`"), "{unknown:?}");
    let device = rebuild(&database, &["--all", "--out", "/dev/null"]).run();
    assert_eq!(device.code, 2, "{device:?}");
    let both = rebuild(&database, &["--all", "--index", "people_name"]).run();
    assert_eq!(both.code, 2);
    let role = pghaul_testbed::Role::create(database.server(), "plain", "").unwrap();
    let denied = pghaul(&["rebuild", "--all"]).env("PGHAUL_DATABASE", database.url_as(&role)).run();
    assert_eq!(denied.code, 11, "{denied:?}");
    assert!(denied.stderr.contains("`public.people` (owner postgres)"), "{denied:?}");
}

#[test]
fn who_is_waited_for_is_said_and_a_killed_rebuild_leaves_nothing() {
    let database = damaged("killed");
    let holder = database.connect().wait().unwrap();
    holder
        .execute("set application_name = 'report'; begin isolation level repeatable read; select 1")
        .wait()
        .unwrap();
    let mut running = pghaul(&["rebuild", "--all", "--progress", "plain"])
        .env("PGHAUL_DATABASE", database.url())
        .start();
    running.wait_for("waits for process");
    let killed = running.kill();
    assert!(killed.by_us && killed.stderr.contains("report"), "{}", killed.stderr);
    holder.execute("commit").wait().unwrap();
    let again = rebuild(&database, &["--all"]).run();
    assert_eq!(again.code, 0, "{again:?}");
    let indexes = "select string_agg(c.relname || i.indisvalid, ',' order by 1) from pg_index i \
                   join pg_class c on c.oid = i.indexrelid where i.indrelid = 'people'::regclass";
    let indexes = indexes.replace("order by 1", "order by c.relname");
    assert_eq!(
        database.value(indexes).wait().unwrap().as_deref(),
        Some("people_nametrue,people_notetrue,people_pkeytrue")
    );
}
