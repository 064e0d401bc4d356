//! The rows in which a database differs from an archive, by their keys.

use pghaul::run::CloneOptions;
use pghaul::verify::difference::{DifferenceKind, Values};
use pghaul::verify::options::Scope;
use pghaul::verify::{TableDifferences, VerifyOptions};
use pghaul_testbed::Major;

use super::harness::{against_naming, dump_options, dump_to, restore_from, verify_options, wrong};
use crate::harness::database;

const SOURCE: &str = r"
    create table plain (id int primary key, v text, n numeric);
    insert into plain select g, 'v' || g, g from generate_series(1, 3000) g;
    create table several (a numeric, b inet, c timestamptz, v int, primary key (c, a, b));
    insert into several select g / 4.0, '10.0.0.1', '2020-01-01 00:00:00+00', g
        from generate_series(1, 20) g;
    create table in_text (id text primary key, t tsquery);
    insert into in_text values (E'tab\tand\nline\\', 'one'), ('null', null), ('other', 'two');
    create table keyless (a int, b text);
    insert into keyless select g % 3, 'same' from generate_series(1, 9) g;
    create table floats_in_text (id int primary key, t tsquery, f float8);
    insert into floats_in_text values (1, 'one', 0.1), (2, 'two', 0.1), (3, 'three', 'nan'),
        (4, 'four', '-0');
    create table parts (id int primary key, v text) partition by range (id);
    create table parts_1 partition of parts for values from (0) to (100);
    create table parts_2 partition of parts for values from (100) to (200);
    insert into parts select g, 'p' from generate_series(90, 110) g;";

const DAMAGE: &str = r"
    update plain set v = 'other' where id = 7; delete from plain where id in (8, 3000);
    insert into plain values (-1, 'new', 0);
    -- Each with the content of the other.
    update plain set n = 201 - n where id in (100, 101);
    update several set v = 0 where a = 0.25; delete from several where a = 5;
    delete from in_text where t = 'one'::tsquery; update in_text set t = 'two' where id = 'null';
    insert into keyless values (1, 'same'); delete from keyless
        where ctid = (select min(ctid) from keyless where a = 2);
    update floats_in_text set f = 0.1::float8 + 1e-18 where id = 1;
    update floats_in_text set f = 0.10000000000000002 where id = 2;
    update floats_in_text set f = 'infinity', t = 'else' where id = 3;
    delete from parts where id = 95; update parts set v = 'q' where id = 105";

fn named(told: &[TableDifferences], table: &str) -> Vec<String> {
    let of_table = told.iter().filter(|some| some.table.name.as_str() == table);
    let mut rows: Vec<String> = of_table
        .flat_map(|some| &some.rows)
        .map(|row| {
            assert_eq!((row.source, row.source_relation.as_ref()), (None, None));
            let key: Vec<&str> =
                row.key.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
            let columns: Vec<&str> = row.columns.iter().map(|name| name.as_str()).collect();
            let copies = if row.copies == 1 { String::new() } else { format!(" x{}", row.copies) };
            let text = format!("{:?} {} {}{copies}", row.kind, key.join("|"), columns.join(","));
            text.trim_end().to_owned()
        })
        .collect();
    rows.sort();
    rows
}

fn options() -> VerifyOptions {
    VerifyOptions { scope: Scope::DataOnly, ..verify_options() }
}

async fn rows_are_named_by_key(from: Major, to: Major) {
    let (source, target) = (database(from, "rows_src"), database(to, "rows_dst"));
    source.execute(SOURCE).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    let (equal, told) = against_naming(&archive, &target.url(), options()).await;
    assert_eq!((wrong(&equal.findings), told.len(), equal.named.len()), (vec![], 0, 0));
    target.execute(DAMAGE).await.unwrap();

    let (found, told) = against_naming(&archive, &target.url(), options()).await;
    assert_eq!(
        named(&told, "plain"),
        ["Changed 100 n", "Changed 101 n", "Changed 7 v", "Extra -1", "Missing 3000", "Missing 8"]
    );
    let when = "2020-01-01 00:00:00+00";
    let changed = format!("Changed {when}|0.25000000000000000000|10.0.0.1 v");
    let missing = format!("Missing {when}|5.0000000000000000|10.0.0.1");
    assert_eq!(named(&told, "several"), [changed, missing]);
    assert_eq!(named(&told, "in_text"), ["Changed null t", "Missing tab\tand\nline\\"]);
    assert_eq!(named(&told, "keyless"), ["Extra", "Missing"]);
    assert_eq!(named(&told, "parts_1"), ["Missing 95"]);
    assert_eq!(named(&told, "parts_2"), ["Changed 105 v"]);
    assert_eq!(named(&told, "floats_in_text"), ["Changed 2 f", "Changed 3 t,f"]);
    assert!(!found.findings.iter().any(|one| one.code == "rows_not_named"));
    let mut all: Vec<(String, usize, bool)> = found
        .named
        .iter()
        .map(|(table, named)| (table.name.as_str().to_owned(), named.rows, named.all))
        .collect();
    all.sort();
    let expected = [
        ("floats_in_text", 2),
        ("in_text", 2),
        ("keyless", 2),
        ("parts_1", 1),
        ("parts_2", 1),
        ("plain", 6),
        ("several", 2),
    ];
    assert_eq!(all, expected.map(|(table, rows)| (table.to_owned(), rows, true)));
    let values_told = told.iter().flat_map(|some| &some.rows).any(|row| !row.values.is_empty());
    assert!(!values_told);

    let few = VerifyOptions { max_differences: 3, values: Values::Shown, ..options() };
    let (found, told) = against_naming(&archive, &target.url(), few).await;
    let table = found.named.keys().find(|table| table.name.as_str() == "plain").unwrap();
    assert_eq!((found.named[table].rows, found.named[table].all), (3, false));
    assert_eq!(named(&told, "plain").len(), 3);
    let several = told.iter().find(|some| some.table.name.as_str() == "several").unwrap();
    let values = |kind| {
        let row = several.rows.iter().find(|row| row.kind == kind).unwrap();
        let value = |one: &pghaul::verify::difference::ColumnValues| {
            (one.column.as_str().to_owned(), one.source.clone(), one.target.clone())
        };
        row.values.iter().map(value).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(values(DifferenceKind::Changed), [("v".to_owned(), some("1"), some("0"))]);
    let missing = values(DifferenceKind::Missing);
    assert_eq!(missing.len(), 4);
    assert!(missing.contains(&("b".to_owned(), some("10.0.0.1"), None)), "{missing:?}");
}

/// Before 12 the text of 0.1 is another one.
#[tokio::test(flavor = "multi_thread")]
async fn rows_with_floats_in_text_are_not_named_across_12() {
    let (source, target) = (database(Major::V10, "rows_src"), database(Major::V14, "rows_dst"));
    source
        .execute(
            "create table floats (id int primary key, t tsquery, f float8); \
             insert into floats values (1, 'one', 0.1), (2, 'two', 0.3)",
        )
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    let (equal, _) = against_naming(&archive, &target.url(), options()).await;
    assert_eq!(wrong(&equal.findings), Vec::new());
    target.execute("update floats set f = 0.2 where id = 1").await.unwrap();
    let (found, told) = against_naming(&archive, &target.url(), options()).await;
    assert_eq!(told.len(), 0);
    let note = found.findings.iter().find(|one| one.code == "rows_not_named").unwrap();
    assert_eq!(note.object.as_deref(), Some("public.floats"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_from_an_archive_of_14_are_named_in_18() {
    rows_are_named_by_key(Major::V14, Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_from_an_archive_of_18_are_named_in_14() {
    rows_are_named_by_key(Major::V18, Major::V14).await;
}
