//! What goes into an archive comes out of it, into whatever version: the archive does not know its
//! target. Pairs of majors beyond those that differ most run with `PGHAUL_TEST_PAIRS`.

use std::time::{Duration, Instant};

use pghaul::run::{CloneOptions, Ending};
use pghaul::{Finding, Severity};
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major, Server};

use super::harness::{against, dump_options, dump_to, restore_from, verify_options, wrong};
use crate::harness::database;
use pghaul::dump::DumpOptions;

/// The oracle knows what looks different from the older to the newer version.
async fn compare(source: &Database<'_>, target: &Database<'_>) -> oracle::Report {
    let back = source.server().major() > target.server().major();
    let (old, new) = if back { (target, source) } else { (source, target) };
    oracle::compare(&old.url(), &new.url(), &OracleOptions::new()).await.unwrap()
}

async fn mastodon_round_trip(from: Major, to: Major, version: Version) {
    let source = database(from, "archive_src");
    let target = database(to, "archive_dst");
    mastodon::create(&source, Shape { version, statuses: 1000, seed: 7 }).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let dumped = dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    assert!(!dumped.has_warnings(), "{:?}", dumped.findings);
    let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.tables);
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    let report = compare(&source, &target).await;
    let unexpected: Vec<&String> = report
        .differences
        .iter()
        // 9.6 puts COALESCE in an index into parentheses of its own, and newer servers do not.
        .filter(|line| {
            from != Major::V9_6 || !line.contains("index_accounts_on_username_and_domain_lower")
        })
        // The schema that was there stays as its version makes it.
        .filter(|line| to > from || !line.contains("SCHEMA \"public\""))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let before = mastodon::digest(&source.connect().await.unwrap()).await.unwrap();
    let after = mastodon::digest(&target.connect().await.unwrap()).await.unwrap();
    assert_eq!(before, after);
}

/// What 14 has no statement for. What it merely lacks is left out by the restore, and said.
const BEYOND_14: &str = "
    drop table collations.used_builtin; drop collation collations.builtin_utf8;
    drop collation collations.ruled;
    drop table numbers.numeric_scales, times.interval_infinity, tables.generated_virtual;
    drop table constraints.temporal_child, constraints.temporal, constraints.not_enforced;
    drop table constraints.partly_nulled, constraints.nulls_not_distinct, partitions.identity;
    drop view views.invoker;
    drop publication pghaul_filtered, pghaul_schemas;
    drop event trigger \"pghaul \"\"login\"\"\";
    alter default privileges for role pghaul_owner revoke select on large objects from pghaul_reader;
";

/// What the restore leaves out for 14, as the oracle sees it.
const LOST_IN_14: &[&str] = &[
    "SCHEMA \"public\"",
    // NOT NULL that is not valid, or not inherited.
    "\"constraints\".\"not_nulls",
    // Logged before 15.
    "\"sequences\".\"unlogged\"",
    "\"tables\".\"unlogged_id_seq\"",
    // Options of later versions.
    "\"pghaul_generated\"",
    "\"pghaul_subscription\"",
];

async fn every_type_round_trip(from: Major, to: Major) {
    let source = database(from, "archive_src");
    let target = database(to, "archive_dst");
    every_type::load(&source, &Families::default()).await.unwrap();
    if to < from {
        source.execute(BEYOND_14).await.unwrap();
    }
    every_type::create_roles(Server::shared(to).unwrap()).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let options = DumpOptions { part_size: Some(64 << 10), ..dump_options() };
    dump_to(&source.url(), &archive, options).await.unwrap();
    let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    // What an older target cannot have is said; nothing else is wrong.
    let wrong = |found: &&Finding| found.severity > Severity::Note && found.code != "not_carried";
    let wrong: Vec<&Finding> = outcome.findings.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    let report = compare(&source, &target).await;
    if to >= from {
        report.check().unwrap();
        return;
    }
    let known = |line: &&String| LOST_IN_14.iter().any(|known| line.contains(known));
    let unexpected: Vec<&String> = report.differences.iter().filter(|line| !known(line)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_9_6_to_18() {
    mastodon_round_trip(Major::V9_6, Major::V18, Version::V3_5_3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_14_to_18() {
    mastodon_round_trip(Major::V14, Major::V18, Version::V4_2_0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mastodon_from_18_to_14() {
    mastodon_round_trip(Major::V18, Major::V14, Version::V4_2_0).await;
}

/// The rest of the pairs, where nothing new is to be expected: with `PGHAUL_TEST_PAIRS`.
#[tokio::test(flavor = "multi_thread")]
async fn mastodon_between_other_majors() {
    let all = std::env::var_os("PGHAUL_TEST_PAIRS").is_some();
    let pairs = [(Major::V10, Major::V13), (Major::V18, Major::V18)];
    for (from, to) in pairs.into_iter().take(if all { 2 } else { 1 }) {
        mastodon_round_trip(from, to, Version::V3_5_3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_18_to_14_as_far_as_the_definitions_allow() {
    every_type_round_trip(Major::V18, Major::V14).await;
}

/// `"char"` beside a type that makes the table travel as text. Before 15 no text of a byte above 127
/// is read as that byte: such a row is called different, and never taken for copied.
#[tokio::test(flavor = "multi_thread")]
async fn a_char_with_its_high_bit_arrives_or_is_called_different() {
    let rows = "create table c (id int primary key, v \"char\", r regclass);
                insert into c values (1, 'a', 'c'), (2, null, 'c')";
    let high = "insert into c values (3, (-1)::\"char\", 'c')";
    for (from, to) in [(Major::V14, Major::V18), (Major::V14, Major::V14), (Major::V18, Major::V14)]
    {
        for with_high in [false, true] {
            let source = database(from, "char_src");
            source.execute(rows).await.unwrap();
            if with_high {
                source.execute(high).await.unwrap();
            }
            let place = tempfile::tempdir().unwrap();
            let archive = place.path().join("archive");
            dump_to(&source.url(), &archive, dump_options()).await.unwrap();
            let target = database(to, "char_dst");
            let outcome =
                restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
            let differs = outcome.findings.iter().any(|one| one.code == "rows_differ");
            let number = "select coalesce(sum(v::int4), 0) from c";
            let same = source.value(number).await.unwrap() == target.value(number).await.unwrap();
            assert_eq!(differs, !same, "{from} to {to}, {with_high}: {:?}", outcome.findings);
            assert!(same || with_high && to == Major::V14, "{from} to {to}");
        }
    }
}

/// The planner's statistics come along to a server that takes them; elsewhere they are gathered.
#[tokio::test(flavor = "multi_thread")]
async fn statistics_come_along_where_the_target_takes_them() {
    let source = database(Major::V14, "statistics_src");
    source
        .execute(
            "create table t (id int primary key, v int) with (autovacuum_enabled = off); \
             insert into t select g, g % 7 from generate_series(1, 2000) g; analyze t; \
             create table never (id int) with (autovacuum_enabled = off); \
             insert into never values (1)",
        )
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let by_hand = std::fs::read_to_string(archive.join("by-hand/4-after-rows.sql")).unwrap();
    assert!(!by_hand.contains("pg_restore_attribute_stats"));
    let most_common = "select most_common_vals::text from pg_stats \
                       where tablename = 't' and attname = 'v'";
    let expected = source.value(most_common).await.unwrap();
    assert!(expected.is_some());
    for (to, gathered) in [(Major::V18, "never"), (Major::V14, "never,t")] {
        let target = database(to, "statistics_dst");
        let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
        assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
        assert_eq!(target.value(most_common).await.unwrap(), expected, "{to}");
        let analyzed = "select string_agg(relname, ',' order by relname) from pg_stat_user_tables \
                        where last_analyze is not null and schemaname = 'public'";
        let until = Instant::now() + Duration::from_secs(20);
        while target.value(analyzed).await.unwrap().as_deref() != Some(gathered) {
            // Before 15 the counters are those of a file that may be half a second old.
            assert!(Instant::now() < until, "{to}: {:?}", target.value(analyzed).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let found = against(&archive, &target.url(), verify_options()).await;
        assert_eq!(wrong(&found.findings), Vec::new(), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_9_6_to_18() {
    every_type_round_trip(Major::V9_6, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_10_to_13() {
    every_type_round_trip(Major::V10, Major::V13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_14_to_18() {
    every_type_round_trip(Major::V14, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_from_18_to_18() {
    every_type_round_trip(Major::V18, Major::V18).await;
}
