//! The oracle: silent on what Postgres' own tools copy from any major to the newest, loud on
//! every change that is planted.
#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use futures::{SinkExt, StreamExt};
use pghaul_testbed::every_type::{Families, create_roles, load};
use pghaul_testbed::oracle::{self, Options, Report, VERSION_DIFFERENCES};
use pghaul_testbed::{CreateOptions, Database, Major, Server, clients};

/// Tables whose rows text cannot carry, or not into every major.
const BINARY_ONLY: [&str; 2] = ["times.interval_ends", "texts.one_byte_char"];

fn source(major: Major, families: &Families) -> Database<'static> {
    let database = Database::new(Server::shared(major).unwrap(), "source").unwrap();
    load(&database, families).wait().unwrap();
    database
}

/// What `pg_dump` and `pg_restore` make of a database, without an error.
async fn reference(source: &Database<'_>, target: Major) -> Database<'static> {
    let server = Server::shared(target).unwrap();
    create_roles(server).await.unwrap();
    let options = CreateOptions { template: Some("template0".to_owned()), ..Default::default() };
    let copy = Database::create(server, "target", &options).unwrap();
    let programs = clients().unwrap();
    let archive = tempfile::NamedTempFile::new().unwrap();
    let mut dump = Command::new(programs.pg_dump());
    dump.args(["--format=custom", "--file"]).arg(archive.path());
    dump.args(BINARY_ONLY.map(|table| format!("--exclude-table-data={table}")));
    run(dump.arg(source.url()));
    let mut restore = Command::new(programs.pg_restore());
    run(restore.arg("--exit-on-error").arg("--dbname").arg(copy.url()).arg(archive.path()));
    for table in BINARY_ONLY {
        let there = format!("select to_regclass('{table}') is not null");
        if source.value(there).await.unwrap().unwrap() == "t" {
            copy_binary(source, &copy, table).await;
        }
    }
    copy
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn copy_binary(source: &Database<'_>, target: &Database<'_>, table: &str) {
    let (source, target) = (source.connect().await.unwrap(), target.connect().await.unwrap());
    let out = format!("copy {table} to stdout (format binary)");
    let rows = source.client().copy_out(out.as_str()).await.unwrap();
    let into = format!("copy {table} from stdin (format binary)");
    let sink = target.client().copy_in(into.as_str()).await.unwrap();
    futures::pin_mut!(rows, sink);
    while let Some(bytes) = rows.next().await {
        sink.send(bytes.unwrap()).await.unwrap();
    }
    sink.close().await.unwrap();
}

async fn compare(source: &Database<'_>, target: &Database<'_>) -> Report {
    oracle::compare(&source.url(), &target.url(), &Options::default()).await.unwrap()
}

#[tokio::test]
async fn every_major_equals_itself_without_any_version_difference() {
    let families = Families::default().and("left_behind").and("blockers");
    for major in Major::ALL {
        let source = source(major, &families);
        let report = compare(&source, &source).await;
        report.check().unwrap();
        assert!(report.list_entries_used.is_empty(), "{major}: {report}");
        assert!(report.tables > 130 && report.columns > 750, "{major}: {report}");
        assert!(report.sequences >= 15 && report.large_objects == 6, "{major}: {report}");
        assert!(report.facts > 19_000 && report.statements > 950, "{major}: {report}");
    }
}

/// Which entries of the list occur between a major and 18, on a database of every type. An entry
/// that no longer occurs must go.
#[tokio::test]
async fn what_pg_dump_copies_to_the_newest_differs_by_the_list_and_nothing_else() {
    const TO_11: [&str; 2] = ["execute function", "table access method"];
    const TO_13: [&str; 1] = ["multirange type name"];
    const TO_15: [&str; 1] = ["view column qualifiers"];
    const TO_16: [&str; 2] = ["json type name", "maintain privilege"];
    const TO_17: [&str; 2] = ["extension version", "not null name"];
    const ALL: [&str; 2] = ["inherited column order", "operator back link"];
    let mut used = BTreeSet::new();
    for major in Major::ALL {
        let source = source(major, &Families::default());
        let target = reference(&source, Major::NEWEST).await;
        let report = compare(&source, &target).await;
        report.check().unwrap();
        let mut expected = BTreeSet::from(ALL);
        let mut until = |last: Major, entries: &[&'static str]| {
            if major <= last {
                expected.extend(entries);
            }
        };
        until(Major::V17, &TO_17);
        until(Major::V16, &TO_16);
        until(Major::V15, &TO_15);
        until(Major::V13, &TO_13);
        until(Major::V11, &TO_11);
        until(Major::V9_6, &["nameless columns"]);
        if (Major::V11..=Major::V13).contains(&major) {
            expected.insert("procedure arguments");
        }
        assert_eq!(report.list_entries_used, expected, "{major}");
        assert_eq!(
            report.not_compared.last().map(String::as_str),
            Some("views.unpopulated"),
            "{report}"
        );
        let by_text = |column: &String| column.starts_with("kinds.base_types.");
        assert!(report.compared_as_text.iter().all(by_text), "{:?}", report.compared_as_text);
        used.extend(expected);
    }
    used.insert("row oids");
    let listed: BTreeSet<_> = VERSION_DIFFERENCES.iter().map(|entry| entry.name).collect();
    assert_eq!(used, listed);
    assert!(!Path::new("/tmp/pghaul_was_here").exists(), "a name reached psql's commands");
}

/// What no dump carries, and what is the one entry of the list that only this family shows.
#[tokio::test]
async fn what_is_left_behind_is_found() {
    for major in [Major::V11, Major::V14] {
        let source = source(major, &Families::only(["left_behind"]));
        let target = reference(&source, Major::NEWEST).await;
        let report = compare(&source, &target).await;
        assert_eq!(
            report.differences,
            [
                "catalog: column \"left_behind\".\"half_built\".1 is on the source only",
                "catalog: constraint \"not_watched\" on \"left_behind\".\"unwatched\": triggers is `D O` on the source, `O` on the target",
                "catalog: index \"left_behind\".\"half_built\" is on the source only",
            ]
        );
        assert_eq!(report.list_entries_used.contains("row oids"), major < Major::V12);
    }
}

/// The bytes of an interval's ends are those of infinity.
#[tokio::test]
async fn the_ends_of_interval_equal_the_infinity_they_became() {
    let source = source(Major::V16, &Families::only(["times"]));
    let target = reference(&source, Major::V18).await;
    let infinite = "select count(*) from times.interval_ends where not isfinite(i)";
    assert_eq!(source.value(infinite).await.unwrap().unwrap(), "0");
    assert_eq!(target.value(infinite).await.unwrap().unwrap(), "2");
    compare(&source, &target).await.check().unwrap();
}

/// Rows of a hash over an enum lie in other leaves on the target, which is no difference; a row
/// lost there is one.
#[tokio::test]
async fn trees_whose_rows_move_are_compared_as_a_whole() {
    let source = source(Major::V14, &Families::only(["partitions"]));
    let target = reference(&source, Major::V18).await;
    let leaves = "select string_agg(tableoid::regclass || ' ' || c, ',' order by c, v) from partitions.by_enum";
    assert_ne!(source.value(leaves).await.unwrap(), target.value(leaves).await.unwrap());
    compare(&source, &target).await.check().unwrap();
    target.execute("delete from partitions.mixed_2 where ctid = '(0,1)' and tableoid = 'partitions.mixed_2_1'::regclass").await.unwrap();
    assert_eq!(
        compare(&source, &target).await.differences,
        [
            "the partition tree partitions.mixed has other rows on the target (36 on the source, 35 on the target)",
            "the partition tree partitions.mixed_2 has other rows on the target (18 on the source, 17 on the target)",
        ]
    );
}
