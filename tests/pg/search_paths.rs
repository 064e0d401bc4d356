//! Functions that name things without a schema, as applications find them: tables whose indexes call
//! such are read, and where the target cannot do without, it is said what to do.

use pghaul::ErrorKind;
use pghaul::duplicates::{ForeignKeys, ScanOptions, Survey, SurveyOptions, survey};
use pghaul::event::{Counters, Observer};
use pghaul::finding::Severity;
use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Ending};
use pghaul::verify::VerifyOptions;
use pghaul::verify::options::DigestOn;
use pghaul_testbed::{Database, Major};
use tokio_util::sync::CancellationToken;

use crate::archive::harness::{dump_options, dump_to};
use crate::duplicates::endpoint;
use crate::harness::{clone, database, options};
use crate::preflight::{checked, objects};
use crate::rebuild::{assert_all_rebuilt, named, rebuild};
use crate::verify::{self, verify};

/// Its functions in SQL name each other, and their types, without a schema before 17, and the planner
/// puts their bodies into the expressions of indexes, whatever a query asks for.
#[tokio::test(flavor = "multi_thread")]
async fn tables_whose_indexes_call_functions_that_rely_on_a_search_path() {
    for major in [Major::V9_6, Major::V14] {
        let source = database(major, "unqualified_src");
        let target = database(Major::V18, "unqualified_dst");
        source
            .execute(
                "create schema app; create schema \"Geo, data\"; \
                 create extension cube schema \"Geo, data\"; \
                 set search_path = app, \"Geo, data\"; \
                 create extension earthdistance schema \"Geo, data\"; \
                 create table small (id int primary key, lat float8, lng float8); \
                 insert into small select g, g % 90, g from generate_series(1, 100) g; \
                 create index small_ll_to_earth_idx on small using gist (ll_to_earth(lat, lng)); \
                 create table large (id int primary key, lat float8, lng float8, filler text); \
                 insert into large select g, g % 90, g % 180, repeat(md5(g::text), 20) \
                   from generate_series(1, 5000) g; \
                 create index on large (id) where ll_to_earth(lat, lng) is not null; \
                 create unique index on large (id, (ll_to_earth(lat, lng)::text)); \
                 alter table large add foreign key (id) references large not valid; \
                 create table after (id int primary key, c regclass); \
                 insert into after values (1, 'app.large')",
            )
            .await
            .unwrap();
        // Read where nobody's default helps: its own schema and those of extensions do.
        let options = CloneOptions { part_size: Some(1 << 20), ..options() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        // The testbed's oracle could not read them.
        for table in ["small", "large", "after"] {
            let read = format!(
                "set search_path = app, \"Geo, data\"; \
                 select count(*), md5(string_agg(t::text, '|' order by id)) from {table} t"
            );
            let before = source.query_text(read.as_str()).await.unwrap();
            assert_eq!(before, target.query_text(read.as_str()).await.unwrap(), "{table}");
        }
        for digest_on in [DigestOn::Client, DigestOn::Server] {
            let options = VerifyOptions { digest_on, ..verify::options() };
            let compared = verify(&source.url(), &target.url(), options).await.unwrap();
            compared.assert_equal();
        }
        let scanned = scanned(&source).await;
        assert_eq!(scanned.findings.len(), 0, "{:?}", scanned.findings);
        assert_eq!(scanned.indexes.len(), 4, "{:?}", scanned.indexes);
        assert_eq!(
            scanned.indexes.iter().map(|index| index.rows).sum::<u64>(),
            1 + 5000 + 5000 + 100
        );
        assert_eq!(scanned.foreign_keys.len(), 1);
        let rebuilt = rebuild(&source, named(&["app.small_ll_to_earth_idx"])).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        let place = tempfile::tempdir().unwrap();
        let options = dump_options();
        let dumped = dump_to(&source.url(), &place.path().join("a"), options).await.unwrap();
        assert!(!dumped.has_warnings(), "{:?}", dumped.findings);
    }
}

/// 17 and newer build indexes and refresh views without any search path, and checks are made with an
/// empty one: the server, not pghaul, needs the function to bring its own along.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_rely_on_a_search_path_are_named_and_can_be_mended_on_the_target() {
    let source = database(Major::V14, "unqualified_src");
    let target = database(Major::V18, "unqualified_dst");
    source
        .execute(
            "create extension unaccent; \
             create function plain(text) returns text language sql immutable \
               as $$ select unaccent('unaccent', $1) $$; \
             create table people (id int primary key, name text); \
             insert into people select g, 'Zoë ' || g from generate_series(1, 100) g; \
             create index people_plain on people (plain(name)); \
             create table known (id int primary key); \
             insert into known select generate_series(1, 100); \
             create function is_known(int) returns boolean language plpgsql \
               as $$ begin return exists (select from known where id = $1); end $$; \
             create table checked (id int check (is_known(id))); \
             insert into checked select generate_series(1, 50)",
        )
        .await
        .unwrap();
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transfer);
    assert!(error.hint().is_some_and(|hint| hint.contains("SET search_path")), "{error:?}");
    let all = target.value("select count(*) from people").await.unwrap();
    assert_eq!(all.as_deref(), Some("100"), "{error:?}");
    let one = format!("{error:?}");
    let named = ["in SQL function \"plain\"", "in PL/pgSQL function public.is_known(integer)"];
    assert!(named.iter().any(|name| one.contains(name)), "{one}");
    target
        .execute(
            "alter function plain(text) set search_path = public; \
             alter function is_known(int) set search_path = public",
        )
        .await
        .unwrap();
    let resume = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&source.url(), &target.url(), resume).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete, "{:?}", outcome.findings);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    let valid = "select indisvalid from pg_index where indexrelid = 'people_plain'::regclass";
    assert_eq!(target.value(valid).await.unwrap().as_deref(), Some("t"));
}

/// Before 17 the server builds indexes under whatever search path there is.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_over_such_functions_are_built_before_17() {
    let sql = "create schema app; create schema \"Geo, data\"; \
               create extension cube schema \"Geo, data\"; \
               set search_path = app, \"Geo, data\"; \
               create extension earthdistance schema \"Geo, data\"; \
               create table places (id int primary key, lat float8, lng float8); \
               insert into places select g, g % 90, g from generate_series(1, 100) g; \
               create index places_near on places using gist (ll_to_earth(lat, lng)); \
               create table apart (lat float8, lng float8, \
                 exclude using gist (ll_to_earth(lat, lng) with =)); \
               insert into apart select g, g from generate_series(1, 50) g; \
               create unique index apart_once on apart (lat, (ll_to_earth(lat, lng)::text))";
    for (from, to) in [(Major::V9_6, Major::V14), (Major::V14, Major::V14)] {
        let source = database(from, "unqualified_src");
        let target = database(to, "unqualified_dst");
        source.execute(sql).await.unwrap();
        let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
        assert_eq!(outcome.ending, Ending::Complete, "{:?}", outcome.findings);
        let valid = "select count(*) from pg_index where indisvalid and indrelid in \
                       ('app.places'::regclass, 'app.apart'::regclass)";
        assert_eq!(target.value(valid).await.unwrap().as_deref(), Some("4"), "{from} -> {to}");
        let named = |code: &str| outcome.findings.iter().any(|finding| finding.code == code);
        assert!(!named("index_needs_search_path"), "{:?}", outcome.findings);
    }
}

/// What 17 and newer will not build is told before the first byte, and nothing else is.
#[tokio::test]
async fn indexes_that_the_target_cannot_build_are_named_before_anything_is_written() {
    let sql = "set search_path = public; create extension unaccent; create extension cube; create extension earthdistance; \
               create function plain(text) returns text language sql immutable \
                 as $$ select unaccent('unaccent', $1) $$; \
               create function whole(text) returns text language sql immutable \
                 as $$ select lower($1) $$; \
               create function mended(text) returns text language sql immutable \
                 set search_path = public as $$ select unaccent('unaccent', $1) $$; \
               create table people (id int, name text); \
               create index people_plain on people (plain(name)); \
               create table others (id int, name text); \
               create index on others (whole(name)); create index on others (mended(name)); \
               create table places (id int, lat float8, lng float8); \
               create index on places using gist (ll_to_earth(lat, lng))";
    for major in [Major::V9_6, Major::V14] {
        let found = checked(major, Major::V18, sql).await;
        let code = "index_needs_search_path";
        assert_eq!(objects(&found, code), ["public.people"], "{major}");
        let said = found.iter().find(|finding| finding.code == code).unwrap();
        assert_eq!(said.severity, Severity::Warning);
        for name in ["public.people_plain", "public.plain(text)"] {
            assert!(said.message.contains(name), "{}", said.message);
        }
        let before_17 = checked(Major::V9_6, Major::V14, sql).await;
        assert!(objects(&before_17, code).is_empty(), "{before_17:?}");
    }
}

/// All unique indexes and foreign keys, as of one moment.
async fn scanned(database: &Database<'_>) -> Survey {
    let (counters, stop) = (Counters::default(), CancellationToken::new());
    let company = (&() as &dyn Observer, &counters, &stop);
    let scan = ScanOptions { foreign_keys: ForeignKeys::Checked, ..ScanOptions::default() };
    let options = SurveyOptions { scan, ..SurveyOptions::default() };
    survey(&endpoint(&database.url()), &options, &mut (), company).await.unwrap().unwrap()
}
