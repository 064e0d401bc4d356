//! Everything that a comparison must find, one damage at a time, from 10 to 18, with hostile
//! settings on both sides.

use pghaul::verify::VerifyOptions;
use pghaul::verify::options::{Depth, Scope};
use pghaul_testbed::{Database, Major};

use super::{Compared, DifferenceKind, copy_of, make_hostile, options, rows_only, verify};
use crate::harness::database;

const SCHEMA: &str = include_str!("finds.sql");

/// A source on 10, and the same by plain SQL on 18.
async fn both() -> (Database<'static>, Database<'static>) {
    let source = database(Major::V10, "finds_src");
    let target = database(Major::V18, "finds_dst");
    source.execute(SCHEMA).await.unwrap();
    target.execute(SCHEMA).await.unwrap();
    make_hostile(&source, 0).await;
    (source, target)
}

/// What a comparison says after a statement on a copy of the target.
async fn after(
    (source, target): &(Database<'_>, Database<'_>),
    statement: &str,
    options: VerifyOptions,
) -> Compared {
    let damaged = copy_of(target, Major::V18, "finds_copy");
    damaged.execute(statement).await.unwrap();
    make_hostile(&damaged, 3).await;
    verify(&source.url(), &damaged.url(), options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_between_copies_of_other_majors_under_hostile_settings() {
    let both = both().await;
    let compared = after(&both, "select 1", options()).await;
    assert_eq!(compared.wrong(), []);
    assert!(compared.outcome.schema.is_empty());
    // The materialized views were computed at other moments; 15 took a privilege of everybody's.
    assert!(compared.notes().contains(&("public_schema", "public".to_owned())));
    assert!(compared.notes().contains(&("matview_differs", "public.clock".to_owned())));
    for table in compared.outcome.tables.iter().filter(|one| one.name.name.as_str() != "clock") {
        assert!(table.equal, "{table:?}");
    }
    assert_eq!(compared.table("public.people").source.rows, 5000);
    assert_eq!(compared.table("public.empty_one").source.rows, 1);
    assert_eq!((compared.outcome.sequences, compared.outcome.large_objects), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_are_named_with_the_columns_that_do() {
    let both = both().await;
    for (statement, table, named) in [
        ("delete from people where id = 77", "people", vec!["Missing 77"]),
        ("insert into people (id, name) values (-5, 'x')", "people", vec!["Extra -5"]),
        ("update people set note = 'other' where id = 4", "people", vec!["Changed 4 note"]),
        ("update people set score = 1 where id = 10", "people", vec!["Changed 10 score"]),
        ("update people set score = '-0' where id = 11", "people", vec!["Changed 11 score"]),
        (
            "update people set amount = amount::numeric(10, 1) where id = 2",
            "people",
            vec!["Changed 2 amount"],
        ),
        ("update people set note = null where id = 12", "people", vec!["Changed 12 note"]),
        ("update people set note = '' where id = 13", "people", vec!["Changed 13 note"]),
        (
            "update people set tags = '{a,NULL,9}' where id = 9; update people set tags[2] = 'NULL' where id = 8",
            "people",
            vec!["Changed 8 tags"],
        ),
        (
            "update people set born = born + interval '1 microsecond' where id = 5",
            "people",
            vec!["Changed 5 born"],
        ),
        // Two rows with each other's values: no sum over a column would notice.
        (
            "update people set name = 'name ' || 3 - id where id in (1, 2)",
            "people",
            vec!["Changed 1 name", "Changed 2 name"],
        ),
        (
            "update people set id = id - 5000 where id in (101, 102)",
            "people",
            vec!["Missing 101", "Missing 102", "Extra -4899", "Extra -4898"],
        ),
        ("insert into keyless values (1, 'x1')", "keyless", vec!["Extra"]),
        ("insert into keyless values (1, 'x1'), (1, 'x1')", "keyless", vec!["Extra x2"]),
        ("delete from keyless where a = 7", "keyless", vec!["Missing x4"]),
        // One copy more of this, one less of that: the count is the same.
        (
            "insert into keyless values (1, 'x1'); delete from keyless where ctid = (select min(ctid) from keyless where a = 2)",
            "keyless",
            vec!["Missing", "Extra"],
        ),
        ("update composite set v = -1 where a = 33", "composite", vec!["Changed k5 v"]),
        // A unique key's values are not told without --show-keys.
        ("update by_unique set v = -1 where code = 'c7'", "by_unique", vec!["Changed v"]),
        ("insert into empty_one default values", "empty_one", vec!["Extra"]),
    ] {
        let compared = after(&both, statement, rows_only()).await;
        let table = format!("public.{table}");
        assert_eq!(compared.wrong(), [("rows_differ", table.clone())], "{statement}");
        let mut found = compared.named(&table);
        let mut expected: Vec<String> = named.iter().map(|one| (*one).to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{statement}");
        let differs = compared.table(&table);
        assert!(!differs.equal && differs.all_named, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compensating_changes_do_not_cancel() {
    let both = both().await;
    // As many rows as before, the same sum of every column.
    let statement = "update people set amount = amount + 1, note = 'a' where id = 100;
        update people set amount = amount - 1, note = 'a' where id = 101";
    let compared = after(&both, statement, rows_only()).await;
    assert_eq!(
        compared.named("public.people"),
        ["Changed 100 note,amount", "Changed 101 note,amount"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_told_only_when_asked_for() {
    let both = both().await;
    let statement =
        "update by_unique set v = -1 where code = 'c7'; delete from people where id = 300;
        update people set name = 'the secret', note = null where id = 4";
    let hidden = after(&both, statement, rows_only()).await;
    let all = format!("{:?} {:?}", hidden.outcome, hidden.differences);
    assert!(!all.contains("secret") && !all.contains("c7"), "{all}");
    let options =
        VerifyOptions { values: pghaul::verify::difference::Values::Shown, ..rows_only() };
    let shown = after(&both, statement, options).await;
    let rows = shown.rows("public.by_unique");
    assert_eq!(rows[0].key, [Some("c7".to_owned())]);
    let rows = shown.rows("public.people");
    let changed = rows.iter().find(|row| row.kind == DifferenceKind::Changed).unwrap();
    let values: Vec<_> = changed
        .values
        .iter()
        .map(|one| (one.column.as_str(), one.source.as_deref(), one.target.as_deref()))
        .collect();
    assert_eq!(
        values,
        [("name", Some("name 4"), Some("the secret")), ("note", Some("note 4"), None)]
    );
    let missing = rows.iter().find(|row| row.kind == DifferenceKind::Missing).unwrap();
    assert_eq!(missing.values.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_and_state_that_differ_are_named() {
    let both = both().await;
    let schema = || VerifyOptions { scope: Scope::SchemaOnly, ..options() };
    for (statement, expected) in [
        ("drop index child_person", vec!["schema_missing public.child_person"]),
        (
            "alter table child drop constraint child_person_fkey",
            vec!["schema_missing public.child child_person_fkey"],
        ),
        ("drop view named", vec!["schema_missing public.named"]),
        ("comment on table people is null", vec!["schema_missing public.TABLE people"]),
        ("create index more on people (name)", vec!["schema_extra public.more"]),
        ("alter table people alter name drop not null", vec!["schema_differs public.people"]),
        ("alter table people alter note set default 'x'", vec!["schema_differs public.people"]),
        (
            "create or replace view named as select id, name || '' as name from people",
            vec!["schema_differs public.named"],
        ),
        (
            "alter table child disable trigger all",
            vec!["constraint_state foreign key public.child child_person_fkey"],
        ),
        (
            "update pg_index set indisvalid = false where indexrelid = 'child_person'::regclass",
            vec!["index_validity index public.child_person", "schema_missing public.child_person"],
        ),
        ("grant select on people to public", vec!["schema_extra public.TABLE people"]),
        (
            "create policy p on people using (true); alter table people enable row level security",
            vec!["schema_extra public.people", "schema_extra public.people p"],
        ),
        ("create extension hstore", vec!["schema_extra EXTENSION hstore", "schema_extra hstore"]),
        (
            "refresh materialized view clock with no data",
            vec!["matview_state materialized view public.clock"],
        ),
    ] {
        let compared = after(&both, statement, schema()).await;
        let mut found: Vec<String> =
            compared.wrong().into_iter().map(|(code, object)| format!("{code} {object}")).collect();
        found.sort();
        assert_eq!(found, expected, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_another_type_is_a_difference_and_its_values_may_not_be() {
    let both = both().await;
    let compared = after(&both, "alter table child alter person type bigint", options()).await;
    let mut wrong = compared.wrong();
    wrong.sort();
    assert_eq!(
        wrong,
        [
            ("columns_differ", "public.child".to_owned()),
            ("schema_differs", "public.child".to_owned())
        ]
    );
    assert!(compared.table("public.child").equal);
    let statement =
        "alter table child drop column person; alter table child add extra int default 1";
    let compared = after(&both, statement, rows_only()).await;
    assert_eq!(compared.wrong(), [("columns_differ", "public.child".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_sequences_and_large_objects_that_differ_are_named() {
    let both = both().await;
    for (statement, expected) in [
        (
            "drop table composite; create table another (a int)",
            vec!["table_extra public.another", "table_missing public.composite"],
        ),
        ("select setval('people_id_seq', 4999)", vec!["sequence_behind public.people_id_seq"]),
        ("select setval('people_id_seq', 6000)", vec!["sequence_differs public.people_id_seq"]),
        (
            "select setval('people_id_seq', 5000, false)",
            vec!["sequence_behind public.people_id_seq"],
        ),
        ("select lo_unlink(4711)", vec!["large_objects_differ "]),
        ("select lo_put(4712, 0, 'O')", vec!["large_objects_differ "]),
        ("select lo_from_bytea(4713, '')", vec!["large_objects_differ "]),
        ("comment on large object 4711 is 'x'", vec!["large_objects_differ "]),
    ] {
        let compared = after(&both, statement, rows_only()).await;
        let mut found: Vec<String> =
            compared.wrong().into_iter().map(|(code, object)| format!("{code} {object}")).collect();
        found.sort();
        assert_eq!(found, expected, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_both_sides_have_behind_its_table_is_found_too() {
    let (source, target) = both().await;
    source.execute("select setval('public.people_id_seq', 10)").await.unwrap();
    let compared =
        after(&(source, target), "select setval('people_id_seq', 10)", rows_only()).await;
    // Snowflake ids, perhaps: said, and no difference.
    assert_eq!(compared.wrong(), []);
    let note = ("sequence_behind_on_both", "public.people_id_seq".to_owned());
    assert!(compared.notes().contains(&note));
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_and_sampling_say_what_they_prove() {
    let both = both().await;
    let counting = || VerifyOptions { depth: Depth::Rows, ..rows_only() };
    let changed = "update people set note = 'other' where id = 4";
    let compared = after(&both, changed, counting()).await;
    assert_eq!(compared.wrong(), []);
    assert!(compared.notes().iter().any(|(code, _)| *code == "only_counted"));
    assert!(compared.table("public.people").digest_kind.is_none());
    let compared = after(&both, "delete from people where id = 4999", counting()).await;
    assert_eq!(compared.wrong(), [("rows_differ", "public.people".to_owned())]);

    let sampling = |share| VerifyOptions { depth: Depth::Sample(share), ..rows_only() };
    let compared = after(&both, "select 1", sampling(0.2)).await;
    assert_eq!(compared.wrong(), []);
    assert!(compared.notes().iter().any(|(code, _)| *code == "sampled"));
    let people = compared.table("public.people");
    assert!(people.sampled && people.source.rows == 5000);
    // All of 5,000 changed rows are not outside of a fifth.
    let compared = after(&both, "update people set note = 'other'", sampling(0.2)).await;
    assert_eq!(compared.wrong(), [("rows_differ", "public.people".to_owned())]);
    assert_eq!(compared.kinds("public.people"), vec![DifferenceKind::Changed; 100]);
    // A row that is gone is counted, in the sample or not.
    let compared = after(&both, "delete from people where id = 4999", sampling(0.0001)).await;
    assert_eq!(compared.wrong(), [("rows_differ", "public.people".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_out_what_they_name_and_know_both_sides() {
    let both = both().await;
    let damage = "delete from people where id = 400; drop table composite; create table another ()";
    let only = |include: &[&str], exclude: &[&str]| VerifyOptions {
        include: include.iter().map(|one| (*one).to_owned()).collect(),
        exclude: exclude.iter().map(|one| (*one).to_owned()).collect(),
        ..options()
    };
    let compared = after(&both, damage, only(&["public.child", "public.keyless"], &[])).await;
    assert_eq!(compared.wrong(), []);
    assert_eq!(compared.outcome.tables.len(), 2);
    let compared =
        after(&both, damage, only(&[], &["public.people", "public.comp*", "public.another"])).await;
    assert_eq!(compared.wrong(), [], "{:#?}", compared.outcome.findings);
    // A table of one side alone is no typing mistake.
    let compared = after(&both, damage, only(&["public.another"], &[])).await;
    assert!(compared.wrong().contains(&("table_extra", "public.another".to_owned())));
    let damaged = copy_of(&both.1, Major::V18, "finds_copy");
    let error = verify(&both.0.url(), &damaged.url(), only(&["public.typo"], &[])).await;
    assert_eq!(error.err().unwrap().kind(), pghaul::ErrorKind::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_not_compared_with_itself() {
    let one = database(Major::V18, "finds_self");
    let error = verify(&one.url(), &one.url(), rows_only()).await.err().unwrap();
    assert_eq!(error.kind(), pghaul::ErrorKind::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_of_a_foreign_table_asks_no_other_server() {
    let (source, target) = both().await;
    for side in [&source, &target] {
        side.execute(
            "set search_path = public; create extension postgres_fdw; \
             create server nowhere foreign data wrapper postgres_fdw \
               options (host '127.0.0.1', port '1', dbname 'none'); \
             create user mapping for public server nowhere; \
             create foreign table far (id serial, note text) server nowhere; \
             create view seen as select 1 / (id - id) as id from people; \
             create sequence seen_id owned by seen.id",
        )
        .await
        .unwrap();
    }
    let compared = verify(&source.url(), &target.url(), rows_only()).await.unwrap();
    assert_eq!(compared.wrong(), []);
    assert_eq!(compared.outcome.sequences, 3);
}
