//! `duplicates scan`: what people and scripts read.

use expect_test::expect;
use pghaul_testbed::{Database, Role};

use crate::command::{Output, database, pghaul};

fn scan(database: &Database<'_>, more: &[&str]) -> Output {
    pghaul(&["duplicates", "scan"])
        .args(more)
        .args(&["--progress", "none"])
        .env("PGHAUL_DATABASE", database.url())
        .run()
}

/// Three groups under one index, none under two others.
fn damaged() -> Database<'static> {
    let database = database("scan");
    database
        .execute(
            "create table people (id int primary key, name text not null, boss int references people);
             insert into people select i, 'person ' || i from generate_series(1, 100) i;
             create unique index people_name on people (lower(name));
             create table \"Odd \"\"Table\" (\"Key\" text primary key);
             update pg_index set indisready = false where indexrelid = 'people_name'::regclass;
             insert into people values (101, 'Person 7'), (102, 'PERSON 7'), (103, 'person 8'), (104, 'person 9');
             update pg_index set indisready = true where indexrelid = 'people_name'::regclass;
             set session_replication_role = replica;
             update people set boss = 4711 where id = 103",
        )
        .wait()
        .unwrap();
    database
}

#[test]
fn people_read_which_rows_share_a_key() {
    let database = damaged();
    scan(&database, &[]).expect(&[&database], &expect![[r#"
        exit code 1
        --- stdout
        Duplicates: 3 groups. 3 unique indexes scanned, 208 rows read in TIME.

          index        table          rows  groups  rows too many
          people_name  public.people   104       3              4

          public.people_name
            (0,8) id=8, (0,105) id=103
            (0,7) id=7, (0,101) id=101, (0,102) id=102
            (0,9) id=9, (0,104) id=104

        Found: 1 warning
          warning duplicates: groups of rows in `public.people` that share its key: 3; rows too many: 4
            public.people_name
            remedy: `pghaul duplicates plan` says what can be done about them
    "#]]);
    let whole = scan(&database, &["--orphans", "--show-keys", "-v", "--sample", "2"]);
    whole.expect(&[&database], &expect![[r#"
        exit code 1
        --- stdout
        Duplicates: 3 groups. 3 unique indexes scanned, 208 rows read in TIME.

          index            table              rows  groups  rows too many
          Odd "Table_pkey  public.Odd "Table     0       0              0
          people_name      public.people       104       3              4
          people_pkey      public.people       104       0              0

          public.people_name
            (0,8) id=8 [lower(name) person 8], (0,105) id=103 [lower(name) person 8]
            (0,7) id=7 [lower(name) person 7], (0,101) id=101 [lower(name) person 7]
            and 1 groups more; --out names all

        Found: 2 warnings
          warning duplicates: groups of rows in `public.people` that share its key: 3; rows too many: 4
            public.people_name
            remedy: `pghaul duplicates plan` says what can be done about them
          warning orphans: rows that refer to nothing in `public.people` by foreign key `people_boss_fkey`: 1
            public.people
            remedy: give them a row to refer to, or remove the reference
    "#]]);
}

#[test]
fn scripts_read_the_same() {
    let database = damaged();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("groups.jsonl");
    let out = file.to_str().unwrap();
    let output = scan(&database, &["--json", "--orphans", "--out", out]);
    assert_eq!(output.code, 1);
    let json = output.json();
    assert_eq!(json["verb"], "duplicates scan");
    assert_eq!(json["outcome"], "findings");
    let indexes = json["indexes"].as_array().unwrap();
    let names: Vec<&str> = indexes.iter().map(|index| index["index"].as_str().unwrap()).collect();
    assert_eq!(names, ["Odd \"Table_pkey", "people_name", "people_pkey"]);
    let expected = serde_json::json!({
        "schema": "public", "table": "people", "index": "people_name", "rows": 104, "groups": 3,
        "extra_rows": 4, "grouped_by": "pghaul"
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&indexes[1][field], value, "{field}");
    }
    assert_eq!(json["foreign_keys"][0]["orphans"], 1);
    assert_eq!(json["foreign_keys"][0]["sample"][0]["primary_key"]["id"], "103");
    // The sample and the file say the same; no key unless it was asked for.
    let written = std::fs::read_to_string(&file).unwrap();
    let groups: Vec<serde_json::Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(groups.len(), 3);
    let rows: Vec<&serde_json::Value> = groups.iter().map(|group| &group["rows"]).collect();
    let sample = indexes[1]["sample"].as_array().unwrap();
    assert_eq!(rows, sample.iter().map(|group| &group["rows"]).collect::<Vec<_>>());
    assert!(groups.iter().all(|group| group["index"] == "people_name"));
    assert!(!written.to_lowercase().contains("person"), "{written}");
    assert!(!output.stdout.contains("person 7"), "{}", output.stdout);
    scan(&database, &["--json", "--out", out, "--show-keys", "--index", "people_name"]);
    assert!(
        std::fs::read_to_string(&file).unwrap().contains(r#""key":{"lower(name)":"person 7"}"#)
    );
}

#[test]
fn nothing_found_is_code_0() {
    let database = database("scan_clean");
    database.execute("create table t (id int primary key)").wait().unwrap();
    scan(&database, &[]).expect(
        &[&database],
        &expect![[r#"
        exit code 0
        --- stdout
        No duplicates. 1 unique index scanned, 0 rows read in TIME.
    "#]],
    );
    let json = scan(&database, &["--json"]).json();
    assert_eq!((&json["exit_code"], &json["outcome"]), (&0.into(), &"complete".into()));
}

#[test]
fn what_cannot_be_scanned_is_said_and_nothing_is_left() {
    let database = damaged();
    let server = database.server();
    for (flags, code, said) in [
        (&["--table", "nobody"][..], 2, "there is no table `nobody`"),
        (&["--index", "people_boss"], 2, "there is no unique index `people_boss`"),
        (&["--memory", "512KiB"], 2, "too small: at least 1048576 are needed"),
        (&["--memory", "much"], 2, "a size is a number of bytes"),
        (&["--max-rate", "0"], 2, "a rate is between 1kB and 1TB a second"),
        (&["--spill-dir", "/nonexistent"], 40, "there is no folder /nonexistent"),
        (&["--out", "/nonexistent/x"], 40, "cannot write /nonexistent/x"),
        (&["--out", "/dev/null"], 2, "/dev/null is there already and no file"),
        (&["--jobs", "2"], 2, "unexpected argument '--jobs'"),
    ] {
        let output = scan(&database, flags);
        assert_eq!(output.code, code, "{flags:?}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{flags:?}: {}", output.stderr);
        assert_eq!(output.stdout, "");
    }
    let named = scan(&database, &["--table", "\"Odd \"\"Table\"", "--index", "PEOPLE_PKEY"]);
    assert_eq!(named.code, 0, "{}{}", named.stdout, named.stderr);
    assert!(named.stdout.contains("2 unique indexes scanned"), "{}", named.stdout);

    let role = Role::create(server, "reader", "").unwrap();
    database.execute(format!("grant select on people to \"{}\"", role.name)).wait().unwrap();
    let as_role = |more: &[&str]| {
        pghaul(&["duplicates", "scan", "--progress", "none"])
            .args(more)
            .env("PGHAUL_DATABASE", database.url_as(&role))
            .run()
    };
    let named = as_role(&["--table", "Odd \"Table"]);
    assert_eq!(named.code, 11, "{}", named.stderr);
    assert!(named.stderr.contains("`public.Odd \"Table`: we may not read the table"));
    // Asked for everything, it says what it left out, and finds what it may read.
    let rest = as_role(&[]);
    assert_eq!(rest.code, 1);
    assert!(rest.stdout.contains("not_scanned: not scanned: we may not read the table"));
    assert!(rest.stdout.contains("Duplicates: 3 groups."), "{}", rest.stdout);
}

/// A file that may not grow: `ulimit -f` holds for everybody, root too. What a disk without space
/// says is told apart from it in the finder's own tests.
#[test]
fn a_spill_that_cannot_be_written_is_said_and_nothing_is_left() {
    let database = database("scan_spill_limit");
    database
        .execute(
            "create table posts (id int primary key, uri text);
             insert into posts select g, 'https://social.example/' || g from generate_series(1, 100000) g;
             create unique index posts_uri on posts (uri)",
        )
        .wait()
        .unwrap();
    let content = "select md5(string_agg(p::text, ',' order by id)) from posts p";
    let before = database.value(content).wait().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let limited = |blocks: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -f $0; exec \"$@\"", blocks]);
        command.arg(env!("CARGO_BIN_EXE_pghaul")).args(["duplicates", "scan", "--memory", "1MiB"]);
        command.args(["--progress", "none", "--spill-dir"]).arg(folder.path());
        command.env_clear().env("PGHAUL_DATABASE", database.url()).env("USER", "nobody");
        command.output().unwrap()
    };
    let output = limited("64");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(40), "{said}");
    let folder_named = format!("cannot write the temporary file in {}", folder.path().display());
    for part in ["cannot sort the keys", &folder_named, "File too large", "ulimit -f"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(database.value(content).wait().unwrap(), before);
    // With room it is done.
    assert_eq!(limited("unlimited").status.code(), Some(0));
}

/// What the scan had in memory is the system's again when a plan needs other memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn freed_memory_is_given_back_and_the_process_stays_the_one_that_was_started() {
    let database = damaged();
    let holder = database.connect().wait().unwrap();
    holder.execute("begin; lock table people in access exclusive mode").wait().unwrap();
    let arguments = ["duplicates", "scan", "--progress", "none"];
    let running = pghaul(&arguments).env("PGHAUL_DATABASE", database.url()).start();
    let place = format!("/proc/{}", running.id());
    let read = |file: &str| std::fs::read_to_string(format!("{place}/{file}")).unwrap();
    while !read("environ").contains("MALLOC_MMAP_THRESHOLD_=1048576") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(read("environ").contains("PGHAUL_DATABASE="));
    let command = read("cmdline");
    assert!(command.ends_with("duplicates\0scan\0--progress\0none\0"), "{command}");
    holder.execute("rollback").wait().unwrap();
    assert_eq!(running.end().code, 1);
}
