//! `pghaul verify`.

use expect_test::expect;
use pghaul_testbed::{Database, clients};
use serde_json::json;

use crate::command::{Pghaul, clone, database, filled, pghaul};

fn verify(source: &Database<'_>, target: &Database<'_>, more: &[&str]) -> Pghaul {
    pghaul(&["verify"])
        .arg("--pg-dump")
        .arg(clients().unwrap().pg_dump())
        .args(&["--progress", "none"])
        .args(more)
        .source(&source.url())
        .target(&target.url())
}

fn cloned() -> (Database<'static>, Database<'static>) {
    let (source, target) = (filled("source"), database("target"));
    assert_eq!(clone(&source, &target, &["--progress", "none"]).run().code, 0);
    (source, target)
}

const DAMAGE: &str = "
    update people set name = 'nobody' where id = 3;
    delete from letters where id = 7;
    alter table people alter name drop not null";

#[test]
fn copies_are_equal() {
    let (source, target) = cloned();
    verify(&source, &target, &["--verbose"]).run().expect(&[&source, &target], &expect![[r#"
        exit code 0
        --- stdout
        Equal: DB1 (PostgreSQL 18.X) and DB2 (PostgreSQL 18.X), in TIME

          tables         3, all equal in count and digest
          rows           4,000
          sequences      0
          large objects  0
          time           preparing TIME, schemas and the like TIME, rows TIME, naming differences TIME

          public.letters           2,000 rows  sha256-binary  equal
          public.people            1,000 rows  sha256-binary  equal
          public.senders           1,000 rows  sha256-binary  equal
    "#]]);
    let output = verify(&source, &target, &["--json"]).run();
    let result = output.json();
    assert_eq!(output.code, 0);
    assert_eq!(result["verb"], "verify");
    assert_eq!(result["outcome"], "complete");
    let tables = result["tables"].as_array().unwrap();
    assert!(tables.iter().all(|table| table["verified"] == true), "{tables:?}");
    assert!(tables.iter().all(|table| table["digest"] == table["target_digest"]));
}

/// It was computed anew on the target: a note, and the headline says so.
#[test]
fn a_view_that_was_computed_later_is_no_difference() {
    let (source, target) = cloned();
    source.execute("create materialized view at as select now() as at").wait().unwrap();
    target.execute("create materialized view at as select now() as at").wait().unwrap();
    let output = verify(&source, &target, &[]).run();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.starts_with("Equal but for materialized views: "), "{output:?}");
    assert!(output.stdout.contains("4, 3 equal in count and digest, 1 differ"), "{output:?}");
}

#[test]
fn what_differs_is_named_and_exits_with_1() {
    let (source, target) = cloned();
    target.execute(DAMAGE).wait().unwrap();
    verify(&source, &target, &[]).run().expect(&[&source, &target], &expect![[r#"
        exit code 1
        --- stdout
        Different: DB1 (PostgreSQL 18.X) and DB2 (PostgreSQL 18.X), in TIME

          tables         3, 1 equal in count and digest, 2 differ
          rows           4,000
          sequences      0
          large objects  0
          time           preparing TIME, schemas and the like TIME, rows TIME, naming differences TIME

        differs public.letters: 2,000 rows on the source, 1,999 on the target
          missing  id=7 (0,7) on the source

        differs public.people: 1,000 rows on the source, 1,000 on the target
          changed  id=3 in name (0,3) on the source, (6,59) on the target

        Found: 3 warnings
          warning schema_differs: TABLE: it is not the same on both sides: `… , name text NOT NULL ) ;` here, `… , name text ) ;` there
            public.people
            remedy: make it the same on both sides
          warning rows_differ: the rows differ: 2000 rows on the source, 1999 on the target
            public.letters
            remedy: look at the rows that are named, and mend the side that is wrong; if the tables are being written to, add --recheck
          warning rows_differ: the rows differ: 1000 rows on the source, 1000 on the target
            public.people
            remedy: look at the rows that are named, and mend the side that is wrong; if the tables are being written to, add --recheck
    "#]]);
    let output = verify(&source, &target, &["--json"]).run();
    let result = output.json();
    assert_eq!((output.code, &result["outcome"]), (1, &json!("findings")));
    assert!(!output.stdout.contains("nobody"));
    let table = |name: &str| {
        let tables = result["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == name).unwrap().clone()
    };
    let people = table("people");
    assert_eq!(people["verified"], false);
    let row = &people["differences"][0];
    assert_eq!((&row["kind"], &row["key"]), (&json!("changed"), &json!({"id": "3"})));
    assert_eq!(row["columns"], json!(["name"]));
    assert_eq!(table("letters")["differences"][0]["kind"], "missing");
    let schema = &result["schema"][0];
    assert_eq!((&schema["kind"], &schema["difference"]), (&json!("TABLE"), &json!("changed")));

    let shown = verify(&source, &target, &["--data-only", "--show-keys", "--json"]);
    // --data-only needs no pg_dump, and takes none.
    assert_eq!(shown.run().code, 2);
    let shown = pghaul(&["verify", "--data-only", "--show-keys", "--json", "--progress", "none"])
        .source(&source.url())
        .target(&target.url())
        .run();
    assert_eq!(shown.code, 1);
    assert!(shown.stdout.contains("nobody"));
}

/// What was not compared is not called equal.
#[test]
fn the_headline_says_what_was_compared() {
    let (source, target) = cloned();
    for (more, headline) in [
        (&[][..], "Equal: "),
        (&["--rows"], "Equal in count: "),
        (&["--sample", "50%"], "Equal in count and a sample: "),
    ] {
        let output = verify(&source, &target, more).run();
        assert_eq!(output.code, 0, "{more:?}: {}", output.stderr);
        assert!(output.stdout.starts_with(headline), "{more:?}: {}", output.stdout);
    }
}

#[test]
fn shares_out_of_bounds_and_contradictions_are_refused() {
    let (source, target) = (database("source"), database("target"));
    for more in [
        &["--sample", "0"][..],
        &["--sample", "120%"],
        &["--rows", "--sample", "5%"],
        &["--schema-only", "--data-only"],
        &["--recheck-wait", "3"],
        &["--include", "public.typo"],
    ] {
        let output = verify(&source, &target, more).run();
        assert_eq!(output.code, 2, "{more:?}: {}", output.stderr);
    }
}

#[test]
fn progress_tells_of_a_comparison() {
    let (source, target) = cloned();
    let output = pghaul(&["verify", "--data-only", "--progress", "plain", "--verbose"])
        .source(&source.url())
        .target(&target.url())
        .run();
    assert_eq!(output.code, 0);
    for line in
        ["comparing rows", "read public.people: 1,000 rows", "compared public.people: equal"]
    {
        assert!(output.stderr.contains(line), "{line} in {}", output.stderr);
    }
}
