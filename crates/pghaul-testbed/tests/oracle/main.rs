//! The oracle: silent on what Postgres' own tools copy from any major to the newest, loud on
//! every change that is planted.
#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

mod plants;
mod reference;

use std::collections::BTreeSet;
use std::path::Path;

use pghaul_testbed::every_type::Families;
use pghaul_testbed::oracle::{self, Options, Report, VERSION_DIFFERENCES};
use pghaul_testbed::{Database, Major};

use reference::{reference, source};

/// Compares everything.
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
        until(Major::V9_6, &["nameless columns", "parentheses of function-like expressions"]);
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
