//! `duplicates plan`, `repair` and `undo`: what people and scripts read.

use pghaul_testbed::Database;
use pghaul_testbed::damage::{Damage, Recipe};

use crate::command::{Output, database, pghaul};

/// Three groups, which differ.
fn damaged() -> Database<'static> {
    let database = database("repair");
    database
        .execute(
            "create table people (id serial primary key, email text not null);
             insert into people (email) select 'p' || g from generate_series(1, 100) g;
             create unique index people_email on people (email)",
        )
        .wait()
        .unwrap();
    let session = database.connect().wait().unwrap();
    Damage::new("people_email", Recipe::MissingEntries).groups(3).plant(&session).wait().unwrap();
    database
}

fn run(database: &Database<'_>, verb: &str, more: &[&str]) -> Output {
    pghaul(&["duplicates", verb])
        .args(more)
        .args(&["--progress", "none"])
        .env("PGHAUL_DATABASE", database.url())
        .run()
}

#[test]
fn planned_repaired_undone() {
    let database = damaged();
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    let plan = plan.to_str().unwrap();

    // Without rules it is asked about: exit code 1.
    let asked = run(&database, "plan", &["--out", plan]);
    assert_eq!(asked.code, 1, "{asked:?}");
    assert!(asked.stdout.contains("duplicates_asked"), "{asked:?}");

    let planned = run(&database, "plan", &["--keep", "lowest", "--out", plan, "--json"]);
    assert_eq!(planned.code, 0, "{planned:?}");
    let result: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!((&result["v"], &result["verb"]), (&1.into(), &"duplicates plan".into()));
    assert_eq!((&result["groups"], &result["rows_to_delete"]), (&3.into(), &3.into()));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(plan).unwrap().permissions().mode() & 0o777, 0o600);

    let repaired = run(&database, "repair", &["--plan", plan]);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(repaired.stdout.contains("3 of 3; 0 left alone"), "{repaired:?}");
    assert_eq!(
        database.value("select count(*) from people").wait().unwrap().as_deref(),
        Some("100")
    );
    // Not twice.
    assert_eq!(run(&database, "repair", &["--plan", plan]).code, 20);

    let refused = run(&database, "undo", &[]);
    assert_eq!(refused.code, 11, "{refused:?}");
    assert!(refused.stderr.contains("public.people_email"), "{refused:?}");
    let undone = run(&database, "undo", &["--drop-indexes"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(undone.stdout.contains("CREATE UNIQUE INDEX people_email"), "{undone:?}");
    assert_eq!(
        database.value("select count(*) from people").wait().unwrap().as_deref(),
        Some("103")
    );
    assert_eq!(run(&database, "undo", &[]).code, 20);

    let forgotten = pghaul(&["finish", "--forget-undo"]).env("PGHAUL_TARGET", database.url()).run();
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    let schema = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(database.value(schema).wait().unwrap().as_deref(), Some("0"));
}

#[test]
fn bad_input_is_named() {
    let database = damaged();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let path = file.to_str().unwrap();
    let out = folder.path().join("plan");
    let out = out.to_str().unwrap();
    std::fs::write(&file, "format = 1\nname = 'x'\n[[table]]\nnam = 'people'\n").unwrap();
    let rules = run(&database, "plan", &["--rules", path, "--out", out]);
    assert_eq!(rules.code, 2, "{rules:?}");
    assert!(rules.stderr.contains("line 4") && rules.stderr.contains("nam"), "{rules:?}");
    std::fs::write(&file, "[answer.\"0011223344556677\"]\nkeep = '(0,1)'\nothers = 'merge'\n")
        .unwrap();
    let answers = run(&database, "plan", &["--answers", path, "--out", out]);
    assert_eq!(answers.code, 2, "{answers:?}");
    assert!(answers.stderr.contains("0011223344556677"), "{answers:?}");
    std::fs::write(&file, "[answer.\"0011223344556677\"]\nkeep = '(0,1)'\n").unwrap();
    let hole = run(&database, "plan", &["--answers", path, "--out", out]);
    assert_eq!(hole.code, 2, "{hole:?}");
    assert!(hole.stderr.contains("others"), "{hole:?}");
    assert!(!std::path::Path::new(out).exists());
    let nowhere = run(&database, "repair", &["--plan", "/nonexistent/plan"]);
    assert_eq!(nowhere.code, 40, "{nowhere:?}");
    let little = run(&database, "plan", &["--keep", "lowest", "--memory", "3MiB", "--out", out]);
    assert_eq!(little.code, 0, "{little:?}");
}

/// No room for the plan, or for what is kept while it is made: no plan, and nothing that looks like
/// one.
#[test]
fn a_full_disk_leaves_no_plan() {
    let database = database("full_plan");
    database
        .execute(
            "create table people (id int primary key, email text not null);
             insert into people select g, 'p' || g % 4000 from generate_series(1, 8000) g;
             create index people_email on people (email);
             update pg_index set indisunique = true where indexrelid = 'people_email'::regclass",
        )
        .wait()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    // The plan has 1.1 MB, its groups 0.3 MB.
    for kib in ["0", "80", "700"] {
        let full =
            pghaul(&["duplicates", "plan", "--keep", "lowest", "--progress", "none", "--out"])
                .arg(&plan)
                .env("PGHAUL_DATABASE", database.url())
                .env("TMPDIR", folder.path())
                .with_files_of_at_most(kib)
                .run();
        assert_eq!(full.code, 40, "{kib}: {full:?}");
        assert!(full.stderr.contains("hint") || full.stderr.contains("plan"), "{kib}: {full:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{kib}");
    }
    let out = plan.to_str().unwrap();
    let planned = run(&database, "plan", &["--keep", "lowest", "--out", out]);
    assert_eq!(planned.code, 0, "{planned:?}");
}

/// What is asked about, and what is left alone, makes exit code 1.
#[test]
fn what_is_not_repaired_is_code_1() {
    let database = database("partly");
    database
        .execute(
            "create table people (id serial primary key, email text not null, note text);
             insert into people (email) select 'p' || g from generate_series(1, 100) g;
             create unique index people_email on people (email);
             create table parent (id int primary key, name text);
             create unique index parent_name on parent (name);
             insert into parent select g, 'n' || g from generate_series(1, 10) g;
             create table child (parent int references parent)",
        )
        .wait()
        .unwrap();
    let session = database.connect().wait().unwrap();
    for (index, groups) in [("people_email", 5), ("parent_name", 1)] {
        Damage::new(index, Recipe::DoubleEntries).groups(groups).plant(&session).wait().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    let plan = plan.to_str().unwrap();
    // Somebody changes a row of a group that was planned.
    let planned = run(&database, "plan", &["--table", "people", "--keep", "lowest", "--out", plan]);
    assert_eq!(planned.code, 0, "{planned:?}");
    database
        .execute("update people set note = 'new' where id = (select max(id) from people)")
        .wait()
        .unwrap();
    let repaired = run(&database, "repair", &["--plan", plan]);
    assert_eq!(repaired.code, 1, "{repaired:?}");
    assert!(repaired.stdout.contains("4 of 5; 1 left alone"), "{repaired:?}");
    assert!(repaired.stdout.contains("duplicates_skipped"), "{repaired:?}");
    // Without rules for a table that others refer to: a question.
    let planned = run(&database, "plan", &["--keep", "lowest", "--out", plan]);
    assert_eq!(planned.code, 1, "{planned:?}");
    let repaired = run(&database, "repair", &["--plan", plan, "--json"]);
    assert_eq!(repaired.code, 1, "{repaired:?}");
    let json = repaired.json();
    let counts = (&json["groups"], &json["skipped"], &json["asked"]);
    assert_eq!(counts, (&1.into(), &0.into(), &1.into()), "{json}");
}
