//! Kinds of unique indexes that a GROUP BY does not speak of: trees, views, operator classes of
//! one's own, groups larger than any batch.

use std::collections::BTreeSet;

use pghaul::connect::Side;
use pghaul::duplicates::{Keys, Scan, ScanOptions};
use pghaul::event::Counters;
use pghaul::{ErrorKind, Severity};
use pghaul_testbed::{Database, Major};

use super::{Rows, endpoint, of, scan};
use crate::harness::database;

/// Makes a plain index say that it is unique.
fn unique(index: &str) -> String {
    format!("update pg_index set indisunique = true where indexrelid = '{index}'::regclass;")
}

/// The groups of one index that a query gives as lists of `relation ctid`.
async fn expected(database: &Database<'_>, sql: &str) -> BTreeSet<Rows> {
    let session = database.connect().await.unwrap();
    session.execute("set enable_indexscan = off; set enable_bitmapscan = off").await.unwrap();
    let rows = session.query_text(sql).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let list = row[0].clone().unwrap();
            list.split(';')
                .map(|one| {
                    let (relation, tid) = one.split_once(' ').unwrap();
                    (relation.to_owned(), tid.to_owned())
                })
                .collect()
        })
        .collect()
}

const MEMBERS: &str = "string_agg('public.' || tableoid::regclass || ' ' || ctid::text, ';')";

async fn agree(database: &Database<'_>, index: &str, by: &str, at_least: usize) {
    let found = scan(&database.url(), of(&[index])).await.unwrap();
    let found = found.into_values().next().unwrap();
    let expected = expected(database, by).await;
    assert!(expected.len() >= at_least, "only {} groups", expected.len());
    assert_eq!(found, expected, "{index}");
}

/// An operator class over int that takes numbers of the same last digits for equal. With `hash`,
/// the body of a hash function that agrees with it.
fn own_class(name: &str, modulus: u32, hash: Option<&str>) -> String {
    let key = format!("($1 % {modulus})");
    let other = format!("($2 % {modulus})");
    let functions: String = [("lt", "<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">")]
        .map(|(suffix, operator)| {
            format!(
                "create function {name}_{suffix}(int, int) returns bool immutable language sql as 'select {key} {operator} {other}';"
            )
        })
        .concat();
    let operators: String = [("lt", "<#"), ("le", "<=#"), ("eq", "=#"), ("ge", ">=#"), ("gt", ">#")]
        .map(|(suffix, operator)| {
            format!(
                "create operator {name}.{operator} (procedure = {name}_{suffix}, leftarg = int, rightarg = int);"
            )
        })
        .concat();
    let hash = hash.map_or_else(String::new, |body| {
        format!(
            "create function {name}_hash(int) returns int immutable strict language sql as '{body}';
             create operator class {name}_hash for type int using hash as
               operator 1 {name}.=#, function 1 {name}_hash(int);"
        )
    });
    format!(
        "create schema {name}; {functions} {operators}
         create function {name}_cmp(int, int) returns int immutable language sql as 'select {key} - {other}';
         create operator class {name} for type int using btree as
           operator 1 {name}.<#, operator 2 {name}.<=#, operator 3 {name}.=#, operator 4 {name}.>=#,
           operator 5 {name}.>#, function 1 {name}_cmp(int, int); {hash}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_classes_of_ones_own() {
    for major in [Major::V9_6, Major::V14, Major::V18] {
        let database = database(major, "duplicates_own");
        let mut sql = String::new();
        // Without a hash function; with a good one; with one that says nothing, over groups small
        // and large, all of one candidate group.
        for (name, modulus, hash) in [
            ("bare", 100, None),
            ("good", 100, Some("select $1 % 100")),
            ("poor", 100, Some("select 7")),
            ("poorer", 2, Some("select 7")),
            ("lone", 100_000, Some("select 7")),
        ] {
            sql.push_str(&own_class(name, modulus, hash));
            sql.push_str(&format!(
                "create table {name}_t (id int primary key, v int);
                 insert into {name}_t select g, case when g % 13 <> 0 then g end from generate_series(1, 2000) g;
                 insert into {name}_t values (2001, 1);
                 create index {name}_key on {name}_t (v {name});
                 {}",
                unique(&format!("{name}_key"))
            ));
        }
        database.execute(sql).await.unwrap();
        for (name, modulus, at_least) in [
            ("bare", 100, 100),
            ("good", 100, 100),
            ("poor", 100, 100),
            ("poorer", 2, 2),
            ("lone", 100_000, 1),
        ] {
            let by = format!(
                "select {MEMBERS} from {name}_t where v is not null group by v % {modulus} having count(*) > 1"
            );
            agree(&database, &format!("{name}_key"), &by, at_least).await;
        }
        let scan =
            Scan::start(&endpoint(&database.url()), of(&["bare_key", "good_key"])).await.unwrap();
        let by_server: Vec<bool> =
            scan.indexes().iter().map(|index| index.grouped_by_server().is_some()).collect();
        assert_eq!(by_server, [true, false], "{major}");
    }
}

/// A record whose images differ though its fields are equal.
#[tokio::test(flavor = "multi_thread")]
async fn records_by_their_images() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "duplicates_images");
        database
            .execute(format!(
                "create type pair as (n numeric, t text); create table t (p pair);
                 insert into t values ('(1,a)'), ('(1.0,a)'), ('(1,a)'), ('(2,b)'), ('(1.0,a)'), (null), (null);
                 create index t_image on t (p record_image_ops); create index t_fields on t (p); {} {}",
                unique("t_image"),
                unique("t_fields")
            ))
            .await
            .unwrap();
        let fields = format!(
            "select {MEMBERS} from t where p is distinct from null group by p having count(*) > 1"
        );
        agree(&database, "t_fields", &fields, 1).await;
        let images = format!(
            "select {MEMBERS} from t where p is distinct from null group by p::text having count(*) > 1"
        );
        agree(&database, "t_image", &images, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_larger_than_any_batch() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "duplicates_large");
        database
            .execute(format!(
                "create table t (id int primary key, v numeric);
                 insert into t select g, case when g % 3 = 0 then 1.00 when g % 3 = 1 then 2 else g * 10 end
                   from generate_series(1, 9000) g;
                 create index t_v on t (v); {}",
                unique("t_v")
            ))
            .await
            .unwrap();
        let by = format!("select {MEMBERS} from t group by v having count(*) > 1");
        agree(&database, "t_v", &by, 2).await;
        // What is not taken of a group is counted all the same.
        let mut scan = Scan::start(&endpoint(&database.url()), of(&["t_v"])).await.unwrap();
        let mut groups = scan.read(0, &Counters::default()).await.unwrap();
        while let Some(mut group) = groups.next_group().await.unwrap() {
            assert!(group.next_member().await.unwrap().is_some());
        }
        let found = groups.found();
        assert_eq!((found.groups, found.rows, found.extra_rows()), (2, 6000, 5998));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_trees_across_their_leaves() {
    for major in [Major::V11, Major::V14, Major::V18] {
        let database = database(major, "duplicates_tree");
        // More leaves than one statement looks at; keys that lie in several of them, since the
        // partitions were attached with the index lying about them.
        database
            .execute(
                "create table tree (part int, id int, note text, dropped int) partition by list (part);
                 alter table tree drop column dropped;
                 create table sub (note text, id int, part int) partition by list (part);
                 do $$ begin
                   for leaf in 1..100 loop
                     execute format('create table leaf_%s partition of tree for values in (%s)', leaf, leaf);
                   end loop;
                 end $$;
                 create table deep partition of sub for values in (500);
                 alter table tree attach partition sub for values in (500);
                 insert into tree select 1 + g % 100, g, 'x' from generate_series(1, 3000) g;
                 insert into tree select 1 + g, 42, 'y' from generate_series(0, 99) g;
                 insert into tree select 1 + g % 100, g * 2, 'z' from generate_series(1, 400) g;
                 insert into tree select 500, g, 'deep' from generate_series(2990, 3010) g;
                 create index tree_key on tree (id);
                 update pg_index set indisunique = true
                  where indrelid in (select oid from pg_class where relname like 'leaf%' or relname in ('tree', 'sub', 'deep'));
                 create unique index leaf_own on leaf_7 (id, note)",
            )
            .await
            .unwrap();
        let by = format!("select {MEMBERS} from tree group by id having count(*) > 1");
        agree(&database, "tree_key", &by, 100).await;
        // Without being named, the indexes of the leaves are left to that of the root.
        let all = Scan::start(&endpoint(&database.url()), ScanOptions::default()).await.unwrap();
        let names: Vec<String> =
            all.indexes().iter().map(|index| index.definition.name.to_string()).collect();
        assert_eq!(names, ["public.leaf_own", "public.tree_key"]);
        // A leaf alone.
        let by = format!("select {MEMBERS} from only leaf_7 group by id having count(*) > 1");
        agree(&database, "leaf_7_id_idx", &by, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_by_inheritance_stand_alone() {
    let database = database(Major::V9_6, "duplicates_inherit");
    database
        .execute(
            "create table parent (id int); create unique index parent_id on parent (id);
             create table child () inherits (parent);
             insert into parent values (1), (2); insert into child values (1), (1)",
        )
        .await
        .unwrap();
    agree(&database, "parent_id", "select 1::text where false", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn materialized_views_and_odd_names() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "duplicates_odd");
        database
            .execute(format!(
                "create schema \"S. \"\"x\";
                 create table \"S. \"\"x\".\"Order\" (\"select\" text, k0 int, p0 int, rel int, tid int, r int, grp int, primary key (\"select\", k0));
                 create index \"Odd \"\"idx\" on \"S. \"\"x\".\"Order\" (lower(\"select\"), k0, p0, rel, tid, r, grp);
                 insert into \"S. \"\"x\".\"Order\" select case g % 2 when 0 then 'A' else 'a' end || g / 2, 1, 2, 3, 4, 5, 6 from generate_series(2, 21) g;
                 create materialized view mv as select 1 as a union all select 1;
                 create index mv_a on mv (a);
                 create materialized view never as select 1 as a with no data;
                 create unique index never_a on never (a);
                 create table excluded (r int4range, exclude using gist (r with &&));
                 {} {}",
                unique("\"S. \"\"x\".\"Odd \"\"idx\""),
                unique("mv_a")
            ))
            .await
            .unwrap();
        let found = scan(&database.url(), ScanOptions::default()).await.unwrap();
        let counts: Vec<(&str, usize)> =
            found.iter().map(|(name, groups)| (name.as_str(), groups.len())).collect();
        assert_eq!(
            counts,
            [("S. \"x.Odd \"idx", 10), ("S. \"x.Order_pkey", 0), ("public.mv_a", 1)],
            "{major}"
        );
        let scan = Scan::start(&endpoint(&database.url()), ScanOptions::default()).await.unwrap();
        let left_out: Vec<(Severity, Option<&str>)> = scan
            .findings()
            .iter()
            .map(|finding| (finding.severity, finding.object.as_deref()))
            .collect();
        assert_eq!(
            left_out,
            [
                (Severity::Note, Some("public.never_a")),
                (Severity::Note, Some("public.excluded_r_excl"))
            ]
        );
        // By the name that SQL would have.
        let named = scan_one(&database, "\"S. \"\"x\".\"Odd \"\"idx\"").await;
        assert_eq!(named, 10);
    }
}

async fn scan_one(database: &Database<'_>, index: &str) -> usize {
    scan(&database.url(), of(&[index])).await.unwrap().into_values().map(|found| found.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_named_by_primary_key_and_key() {
    let database = database(Major::V14, "duplicates_named");
    database
        .execute(format!(
            "create table t (id int, part text, v text, primary key (part, id));
             insert into t values (1, 'ü', 'Key'), (2, 'b', 'key'), (3, 'c', null);
             create index t_v on t (lower(v), (v is null)); {}",
            unique("t_v")
        ))
        .await
        .unwrap();
    let options = ScanOptions { keys: Keys::Shown, ..of(&["t_v"]) };
    let mut scan = Scan::start(&endpoint(&database.url()), options).await.unwrap();
    let mut groups = scan.read(0, &Counters::default()).await.unwrap();
    let mut group = groups.next_group().await.unwrap().unwrap();
    let text =
        |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
    let first = group.next_member().await.unwrap().unwrap();
    assert_eq!(first.primary_key, text(&["ü", "1"]));
    assert_eq!(first.key, Some(text(&["key", "false"])));
    let second = group.next_member().await.unwrap().unwrap();
    assert_eq!(
        (second.primary_key, second.tid.to_string()),
        (text(&["b", "2"]), "(0,2)".to_owned())
    );
    assert_eq!(group.next_member().await.unwrap(), None);
    assert!(groups.next_group().await.unwrap().is_none());
}

/// An index that one error spoils does not spoil the others.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_error_the_next_index_can_be_read() {
    let database = database(Major::V18, "duplicates_error");
    database
        .execute(format!(
            "create function f(int) returns int immutable language plpgsql as 'begin return $1; end';
             create table a (v int); insert into a values (1), (1); create index a_v on a (f(v));
             create table b (v int); insert into b values (1), (1); create index b_v on b (v); {} {}
             create or replace function f(int) returns int immutable language plpgsql as 'begin raise ''broken''; end';",
            unique("a_v"),
            unique("b_v")
        ))
        .await
        .unwrap();
    let mut scan = Scan::start(&endpoint(&database.url()), ScanOptions::default()).await.unwrap();
    let counters = Counters::default();
    let error = scan.read(0, &counters).await.err().unwrap();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Transfer, Some("P0001")));
    assert!(!pghaul::duplicates::moment::is_lost(&error));
    let mut groups = scan.read(1, &counters).await.unwrap();
    assert!(groups.next_group().await.unwrap().is_some());
    assert_eq!(groups.session().side(), Side::Database);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_keys_that_only_share_a_hash_are_told_apart() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "duplicates_few");
        let sql = format!(
            "{} create table few_t (id int primary key, v int);
             insert into few_t select g, g from generate_series(1, 20) g;
             insert into few_t values (21, 5), (22, 7);
             create index few_key on few_t (v few);
             {}",
            own_class("few", 100_000, Some("select 7")),
            unique("few_key")
        );
        database.execute(sql).await.unwrap();
        let by = format!("select {MEMBERS} from few_t group by v having count(*) > 1");
        agree(&database, "few_key", &by, 2).await;
    }
}
