//! Changes planted in a faithful copy, and the lines that each must show. They stand in
//! `plants/*.sql`; those of a file touch different things, so they are planted together and found
//! by one comparison.

use std::collections::BTreeSet;

use pghaul_testbed::every_type::Families;
use pghaul_testbed::oracle::{self, Options};
use pghaul_testbed::{CreateOptions, Database, Major, Server};

use super::reference::{reference, source};

struct Plants {
    sql: Vec<String>,
    found: BTreeSet<String>,
}

impl Plants {
    fn parse(text: &str) -> Self {
        let mut plants = Self { sql: Vec::new(), found: BTreeSet::new() };
        for plant in text.split("\n-- @plant ").skip(1) {
            let lines = plant.lines().skip(1);
            let (found, sql): (Vec<_>, Vec<_>) =
                lines.partition(|line| line.starts_with("-- @found "));
            assert!(!found.is_empty(), "a plant that shows nothing: {plant}");
            let found = found.iter().map(|line| line.replacen("-- @found ", "", 1));
            for line in found {
                assert!(plants.found.insert(line.clone()), "claimed twice: {line}");
            }
            plants.sql.push(sql.join("\n"));
        }
        plants
    }
}

#[tokio::test]
async fn every_planted_change_is_found_and_nothing_else() {
    // A copy made from a template has no subscriptions: they belong to the cluster.
    let families = Families::default().without("replication");
    let source = source(Major::V14, &families);
    let copy = reference(&source, Major::NEWEST).await;
    super::compare(&source, &copy).await.check().unwrap();
    let template = copy.keep();
    let server = Server::shared(Major::NEWEST).unwrap();
    for (name, text) in [
        ("rows", include_str!("plants/rows.sql")),
        ("schema", include_str!("plants/schema.sql")),
        ("catalog", include_str!("plants/catalog.sql")),
        ("fatal", include_str!("plants/fatal.sql")),
    ] {
        let plants = Plants::parse(text);
        let options = CreateOptions { template: Some(template.clone()), ..Default::default() };
        let target = Database::create(server, name, &options).unwrap();
        for sql in &plants.sql {
            target.execute(sql).await.unwrap();
        }
        let answer = oracle::compare(&source.url(), &target.url(), &Options::default()).await;
        let found = match answer {
            Ok(report) => report.differences.into_iter().collect(),
            Err(error) => lines_of(&error.to_string()),
        };
        let missed: Vec<_> = plants.found.difference(&found).collect();
        let invented: Vec<_> = found.difference(&plants.found).collect();
        assert!(
            missed.is_empty() && invented.is_empty(),
            "{name}: missed {missed:#?}, found besides {invented:#?}"
        );
    }
}

/// The lines of an error that says what is missing, as those of a report.
fn lines_of(error: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for line in error.lines() {
        if let Some(missing) = line.strip_prefix("not everything was compared: ") {
            let (missing, _) = missing.split_once(": compared ").unwrap();
            lines.extend(missing.split("; ").map(|what| format!("missing: {what}")));
        } else if let Some(difference) = line.strip_prefix("differs: ") {
            lines.insert(difference.to_owned());
        }
    }
    lines
}

#[tokio::test]
async fn what_is_left_out_on_purpose_is_not_compared_and_named() {
    let source = source(Major::V13, &Families::only(["numbers", "privileges"]));
    let copy = reference(&source, Major::NEWEST).await;
    copy.execute(
        "delete from numbers.floats; create schema pghaul; create table pghaul.state (id int)",
    )
    .await
    .unwrap();
    let compare = |options: Options| oracle::compare(&source.url(), &copy.url(), &options);
    let report = compare(Options::new()).await.unwrap();
    assert_eq!(report.differences, ["numbers.floats has 16 rows on the source, 0 on the target"]);
    let report = compare(Options::new().without_rows_of("numbers.floats")).await.unwrap();
    report.check().unwrap();
    assert!(report.not_compared.contains(&"numbers.floats".to_owned()));
    compare(Options::new().without_rows()).await.unwrap().check().unwrap();
    compare(Options::new().without_rows_of("numbers.nothing")).await.unwrap_err();

    copy.execute("drop schema numbers cascade; create schema other; create table other.x (id int)")
        .await
        .unwrap();
    let ignoring = Options::new().ignoring_schema("numbers").ignoring_schema("other");
    compare(ignoring.clone()).await.unwrap().check().unwrap();

    let reown = "revoke all on all tables in schema privileges from pghaul_reader cascade;
        alter table privileges.granted owner to postgres";
    copy.execute(reown).await.unwrap();
    assert!(!compare(ignoring.clone()).await.unwrap().is_equal());
    assert!(!compare(ignoring.clone().without_owners()).await.unwrap().is_equal());
    compare(ignoring.without_owners().without_privileges()).await.unwrap().check().unwrap();
}
