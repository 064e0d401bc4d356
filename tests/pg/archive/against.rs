//! A database held against an archive: rows, definitions, sequences, large objects.

use pghaul::dump::DumpOptions;
use pghaul::run::CloneOptions;
use pghaul::schema::compare::SchemaDifferenceKind;
use pghaul::verify::VerifyOptions;
use pghaul::verify::options::Scope;
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::{Database, Major, Server};

use super::harness::{against, dump_options, dump_to, restore_from, verify_options, wrong};
use crate::harness::database;

async fn every_type_is_equal(from: Major, to: Major) {
    let source = database(from, "against_src");
    let target = database(to, "against_dst");
    every_type::load(&source, &Families::default()).await.unwrap();
    every_type::create_roles(Server::shared(to).unwrap()).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    for there in [&target, &source] {
        let found = against(&archive, &there.url(), verify_options()).await;
        assert_eq!(wrong(&found.findings), [], "{:?}", found.schema);
        assert!(found.tables.iter().all(|table| table.verified));
        assert_eq!(found.schema, []);
        assert!(found.sequences > 0 && found.large_objects > 0);
        assert!(!found.findings.iter().any(|one| one.code == "schema_not_compared"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_9_6_restored_in_18_is_equal() {
    every_type_is_equal(Major::V9_6, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_14_restored_in_18_is_equal() {
    every_type_is_equal(Major::V14, Major::V18).await;
}

const SOURCE: &str = "
    create table t (id int primary key, v text not null, n numeric);
    insert into t select g, 'v' || g, g from generate_series(1, 1000) g;
    create table other (id serial primary key, t int references t);
    insert into other (t) select g from generate_series(1, 10) g;
    create index other_t on other (t); create view seen as select id from t;
    create materialized view counted as select count(*) from t;
    create table parts (id int, v text) partition by range (id);
    create table parts_1 partition of parts for values from (0) to (100);
    insert into parts select g, 'p' from generate_series(1, 20) g;
    comment on table t is 'the table'; grant select on t to public;
    select lo_from_bytea(g, convert_to('object ' || g, 'UTF8')) from generate_series(11, 15) g;
    create table bare ();
";

async fn archive_of(source: &Database<'_>, options: DumpOptions) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    dump_to(&source.url(), &place.path().join("archive"), options).await.unwrap();
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_named() {
    let source = database(Major::V14, "against_src");
    let target = database(Major::V18, "against_dst");
    source.execute(SOURCE).await.unwrap();
    let place = archive_of(&source, dump_options()).await;
    let archive = place.path().join("archive");
    restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    let found = against(&archive, &target.url(), verify_options()).await;
    assert_eq!(wrong(&found.findings), []);
    target
        .execute(
            "update t set v = 'other' where id = 7; delete from other where id = 10;
             drop index other_t; drop view seen; comment on table t is 'another';
             alter table t add check (n < 100000); revoke select on t from public;
             select setval('other_id_seq', 3); refresh materialized view counted with no data;
             create table extra (x int); create sequence loose;
             select lo_unlink(12); select lo_from_bytea(99, 'new'); select lo_put(13, 0, 'X');
             comment on large object 14 is 'said'; drop table bare",
        )
        .await
        .unwrap();
    let found = against(&archive, &target.url(), verify_options()).await;
    let expected = [
        ("large_objects_differ", "1 large objects are missing on the target: 12"),
        ("large_objects_differ", "1 large objects are of other content: 13"),
        ("large_objects_differ", "1 large objects are of other owner, privileges or comment: 14"),
        ("large_objects_differ", "1 large objects are only on the target: 99"),
    ];
    for (code, message) in expected {
        let there = |one: &&pghaul::Finding| one.code == code && one.message == message;
        assert!(found.findings.iter().any(|one| there(&one)), "{message}: {:?}", found.findings);
    }
    let rest: Vec<(&str, String)> =
        wrong(&found.findings).into_iter().filter(|(code, _)| !code.starts_with("large")).collect();
    let rest: Vec<String> = rest.iter().map(|(code, object)| format!("{code} {object}")).collect();
    assert_eq!(
        rest,
        [
            "matview_state public.counted",
            "rows_differ public.other",
            "rows_differ public.t",
            "schema_differs public.TABLE t",
            "schema_differs public.t",
            "schema_extra public.extra",
            "schema_extra public.loose",
            "schema_missing public.TABLE t",
            "schema_missing public.bare",
            "schema_missing public.other_t",
            "schema_missing public.seen",
            "sequence_behind public.other_id_seq",
            "sequence_extra public.loose",
            "table_extra public.extra",
            "table_missing public.bare",
        ]
    );
    let missing = |name: &str| {
        let of = |one: &&pghaul::schema::compare::SchemaDifference| one.object == name;
        found.schema.iter().find(of).unwrap().how
    };
    assert_eq!(missing("public.seen"), SchemaDifferenceKind::Missing);
    // Only what was asked for.
    let options = VerifyOptions { scope: Scope::DataOnly, ..VerifyOptions::default() };
    let rows = against(&archive, &target.url(), options).await;
    assert!(rows.schema.iter().all(|one| one.object == "public.counted"), "{:?}", rows.schema);
    assert!(wrong(&rows.findings).contains(&("rows_differ", "public.t".to_owned())));
    let options = VerifyOptions { scope: Scope::SchemaOnly, ..verify_options() };
    let schema = against(&archive, &target.url(), options).await;
    assert!(schema.tables.is_empty());
    assert!(wrong(&schema.findings).iter().all(|(code, _)| code.starts_with("schema_")));
}

/// What was left out of the archive is not missed, nor called extra; a column that is gone is said,
/// and the other tables are compared.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_some_tables_is_about_these() {
    let source = database(Major::V18, "against_src");
    source.execute(SOURCE).await.unwrap();
    let exclude = vec!["public.other".to_owned(), "public.bare".to_owned()];
    let place = archive_of(&source, DumpOptions { exclude, ..dump_options() }).await;
    let archive = place.path().join("archive");
    let found = against(&archive, &source.url(), verify_options()).await;
    assert_eq!(wrong(&found.findings), [], "{:?}", found.schema);
    source.execute("drop table other").await.unwrap();
    let found = against(&archive, &source.url(), verify_options()).await;
    assert_eq!(wrong(&found.findings), [], "{:?}", found.schema);
    assert!(found.large_objects > 0, "they belong to no table that was excluded");
    source.execute("alter table t drop column n; update parts set v = 'q'").await.unwrap();
    let found = against(&archive, &source.url(), verify_options()).await;
    let wrong: Vec<String> =
        wrong(&found.findings).iter().map(|(code, object)| format!("{code} {object}")).collect();
    assert_eq!(
        wrong,
        ["not_compared public.t", "rows_differ public.parts_1", "schema_differs public.t"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_were_not_asked_for_are_nothing_extra() {
    let source = database(Major::V18, "against_src");
    source.execute(SOURCE).await.unwrap();
    let include = vec!["public.t".to_owned()];
    let place = archive_of(&source, DumpOptions { include, ..dump_options() }).await;
    let archive = place.path().join("archive");
    source.execute("create table later (x serial)").await.unwrap();
    let found = against(&archive, &source.url(), verify_options()).await;
    assert_eq!(wrong(&found.findings), [], "{:?}", found.schema);
    assert_eq!(found.tables.len(), 1);
}

/// The entries of two majors of `pg_dump` say different things about one schema.
#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_another_pg_dump_are_not_compared_and_that_is_said() {
    let source = database(Major::V18, "against_src");
    source.execute(SOURCE).await.unwrap();
    let place = archive_of(&source, dump_options()).await;
    let archive = place.path().join("archive");
    as_of_another_pg_dump(&archive);
    let found = against(&archive, &source.url(), verify_options()).await;
    assert_eq!(wrong(&found.findings), []);
    let note = found.findings.iter().find(|one| one.code == "schema_not_compared").unwrap();
    assert!(note.message.contains("pg_dump 17.0"), "{}", note.message);
}

/// Rewrites contents and manifest as if `pg_dump` 17 had made them.
fn as_of_another_pg_dump(archive: &std::path::Path) {
    use pghaul_archive::name::Sha;
    use pghaul_archive::{Contents, FileName, Folder};
    let folder = Folder::new(archive);
    let (mut manifest, contents) = folder.documents().unwrap();
    let contents = Contents { pg_dump: 170_000, ..contents }.to_document().unwrap();
    std::fs::write(folder.place(FileName::Contents), &contents).unwrap();
    let name = FileName::Contents.to_string();
    let noted = manifest.files.iter_mut().find(|file| file.file == name).unwrap();
    (noted.bytes, noted.sha256) = (contents.len() as u64, Sha::of(&contents));
    std::fs::write(folder.place(FileName::Manifest), manifest.to_document().unwrap()).unwrap();
}
