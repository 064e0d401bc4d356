//! Partitioned tables, and materialized views.

use pghaul::rebuild::{IndexEnd, Locking, RebuildOptions, Views};
use pghaul_testbed::{Database, Major, mastodon};

use super::build::move_collation;
use super::obstacles::found;
use super::{
    all, assert_all_rebuilt, assert_sound, database, described, ends, files, linguistic, majors,
    named, rebuild,
};

const TREE: &str = "
    create table root (k int, sub int, v text) partition by range (k);
    create table low partition of root for values from (0) to (100) partition by list (sub);
    create table low_a partition of low for values in (1, 2);
    create table low_b partition of low for values in (3, 4);
    create table high partition of root for values from (100) to (1000);
    insert into root select g % 1000, g % 4 + 1, 'v' || g from generate_series(1, 4000) g;
";

#[tokio::test]
async fn indexes_of_partitioned_tables() {
    for major in [Major::V10, Major::V11, Major::V14, Major::V17, Major::V18] {
        for locking in [Locking::Concurrent, Locking::Blocking] {
            let database = database(major, "tree");
            database.execute(TREE).await.unwrap();
            let indexes = if major >= Major::V11 {
                "create index root_v on root (v);
                 alter table root add constraint root_key unique (k, sub, v);
                 create unique index on high (v, k)"
            } else {
                "create index on low_a (v); create index on high (v)"
            };
            database.execute(indexes).await.unwrap();
            let (before, lay) = (described(&database).await, files(&database).await);
            let rebuilt = rebuild(&database, RebuildOptions { locking, ..all() }).await;
            assert_all_rebuilt(&rebuilt, &format!("{major} {locking:?}"));
            assert_eq!(described(&database).await, before, "{major} {locking:?}");
            let lies = files(&database).await;
            assert!(!lies.is_empty());
            for (name, file) in lies {
                assert_ne!(lay[&name], file, "{major} {locking:?}: {name} was not rebuilt");
            }
            assert_sound(&database, &major.to_string()).await;
            if major >= Major::V11 {
                // The name of the whole means the parts.
                let rebuilt = rebuild(&database, named(&["root_v"])).await;
                assert_eq!(rebuilt.indexes.len(), 3, "{major} {:?}", ends(&rebuilt));
            }
        }
    }
}

/// As a parallel restore leaves them: all parts are valid, the whole is not.
#[tokio::test]
async fn a_partitioned_index_that_is_not_valid() {
    for major in [Major::V11, Major::V14, Major::V18] {
        let database = database(major, "invalid");
        database.execute(TREE).await.unwrap();
        database
            .execute(
                "create index root_v on root (v);
                 create index root_k on only root (k);
                 create index low_k on only low (k);
                 create index low_a_k on low_a (k); create index low_b_k on low_b (k);
                 create index high_k on high (k);
                 alter index low_k attach partition low_a_k;
                 alter index low_k attach partition low_b_k;
                 alter index root_k attach partition high_k;
                 alter index root_k attach partition low_k",
            )
            .await
            .unwrap();
        let whole = described(&database).await;
        database
            .execute(
                "update pg_index set indisvalid = false where indexrelid in
                    ('root_k'::regclass, 'low_k'::regclass)",
            )
            .await
            .unwrap();
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_eq!(rebuilt.indexes.len(), 2, "{major} {:?}", ends(&rebuilt));
        // Before 14 no statement makes the server look again: not attaching a part once more, nor
        // attaching another, nor taking one off and attaching it again. Then it is said.
        let ends = ends(&rebuilt);
        let said = found(&rebuilt, "invalid_index").len();
        let as_it_is = if major >= Major::V14 { ("rebuilt", 0) } else { ("failed", 2) };
        assert_eq!((ends["public.root_k"], said), as_it_is, "{major} {ends:?}");
        assert_eq!(described(&database).await == whole, major >= Major::V14, "{major}");

        let why: Vec<&str> =
            found(&rebuilt, "invalid_index").iter().map(|one| one.message.as_str()).collect();
        let expected =
            ["before 14 the server looks at that only", "its part `public.low_k` is not"];
        assert!(why.iter().zip(expected).all(|(why, said)| why.contains(said)), "{why:?}");
    }
}

/// Parents without all of their parts, as an interrupted restore leaves them: missing leaves, a whole
/// level, constraints, an index that somebody built and did not attach.
const INCOMPLETE: &str = "
    alter table low_a alter k set not null;
    create index root_sub on only root (sub);
    create index high_sub on high (sub) with (fillfactor = 60);
    create index high_v on high (v);
    create index root_folded on only root (lower(v) text_pattern_ops, k desc) where k > 5;
    create index low_folded on only low (lower(v) text_pattern_ops, k desc) where k > 5;
    alter index root_folded attach partition low_folded;
    create index low_a_folded on low_a (lower(v) text_pattern_ops, k desc) where k > 5;
    alter index low_folded attach partition low_a_folded;
    alter table only root add constraint root_key unique (k, sub, v) deferrable initially deferred;
    alter table only high add constraint high_key unique (k, sub, v) deferrable initially deferred;
    alter index root_key attach partition high_key;
    create unique index \"Odd \"\"one\" on only root (v, sub, k);
";

#[tokio::test]
async fn parts_that_are_missing_are_built_and_attached() {
    for (major, locking) in [
        (Major::V11, Locking::Concurrent),
        (Major::V13, Locking::Blocking),
        (Major::V14, Locking::Concurrent),
        (Major::V18, Locking::Concurrent),
    ] {
        let database = database(major, "parts");
        database.execute(TREE).await.unwrap();
        database.execute(INCOMPLETE).await.unwrap();
        let before = described(&database).await;
        let parents = ["root_sub", "root_folded", "low_folded", "root_key", "Odd \"one"];
        let rebuilt =
            rebuild(&database, RebuildOptions { locking, ..RebuildOptions::default() }).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert!(rebuilt.findings.iter().all(|one| one.code == "amcheck_missing"), "{rebuilt:?}");
        assert_eq!(rebuilt.indexes.len(), parents.len(), "{major}: {:?}", ends(&rebuilt));
        assert_sound(&database, &major.to_string()).await;
        // Three leaves and a level between, or what is missing of them; nothing twice.
        let now = described(&database).await;
        let part_of = |whole: &str| {
            let quoted = if whole.contains(' ') {
                format!("\"{}\"", whole.replace('"', "\"\""))
            } else {
                whole.to_owned()
            };
            let suffix = format!(" | {quoted}");
            now.values().filter(|text| text.ends_with(&suffix)).count()
        };
        for (whole, parts) in [
            ("root_sub", 2),
            ("root_folded", 2),
            ("low_folded", 2),
            ("root_key", 2),
            ("Odd \"one", 2),
        ] {
            assert_eq!(part_of(whole), parts, "{major} {whole}: {now:#?}");
        }
        assert_eq!(now.len(), before.len() + 3 + 2 + 3 + 4, "{major}: {now:#?}");
        assert!(now["high_sub"].ends_with("| root_sub") && now["high_sub"].contains("fillfactor"));
        assert_eq!(now["high_v"], before["high_v"]);
        for (name, text) in &before {
            if !parents.contains(&name.as_str()) && name != "high_sub" {
                assert_eq!(&now[name], text, "{major} {name}");
            }
        }
        assert!(!now.keys().any(|name| name.starts_with("pghaul")), "{now:#?}");
        let constraints = "select count(*) from pg_constraint where contype = 'u' and condeferred and conparentid <> 0";
        assert_eq!(database.value(constraints).await.unwrap().as_deref(), Some("4"), "{major}");
        let again = rebuild(&database, RebuildOptions::default()).await;
        assert!(again.indexes.is_empty(), "{major}: {:?}", ends(&again));
    }
}

/// A part that rows forbid: all groups are named, and nothing of it stays behind.
#[tokio::test]
async fn a_part_that_rows_forbid_is_not_built() {
    for major in [Major::V13, Major::V18] {
        let database = database(major, "forbidden");
        database.execute(TREE).await.unwrap();
        database
            .execute("create unique index whole on only root (k, sub, v); insert into root values (7, 3, 'x'), (7, 3, 'x'), (500, 1, 'y')")
            .await
            .unwrap();
        let before = described(&database).await;
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_eq!(ends(&rebuilt)["public.whole"], "refused", "{major} {:?}", rebuilt.findings);
        let IndexEnd::Refused(Some(keys)) = &rebuilt.indexes[0].end else { panic!("{rebuilt:?}") };
        assert_eq!((keys.found.groups, keys.found.rows), (1, 2), "{major}");
        let invalid = "select count(*) from pg_index where not indisvalid and indexrelid::regclass::text not in ('whole', 'low_whole')";
        assert_eq!(database.value(invalid).await.unwrap().as_deref(), Some("0"), "{major}");
        assert!(!described(&database).await.keys().any(|name| name.starts_with("pghaul")));
        database.execute("delete from root where k = 7 and sub = 3 and v = 'x'").await.unwrap();
        assert_all_rebuilt(
            &rebuild(&database, RebuildOptions::default()).await,
            &major.to_string(),
        );
        assert_eq!(described(&database).await.len(), before.len() + 4, "{major}");
        assert_sound(&database, &major.to_string()).await;
    }
}

/// Partitioned tables have exclusion constraints from 17 on.
const BOOKINGS: &str = "
    create extension btree_gist;
    create table booking (k int, sub int, r int4range) partition by range (k);
    create table high partition of booking for values from (100) to (1000);
    create table low partition of booking for values from (0) to (100) partition by list (sub);
    create table low_a partition of low for values in (1);
    create table low_b partition of low for values in (2, 3);
    insert into booking select g % 300, g % 3 + 1, int4range(g, g + 1) from generate_series(1, 2000) g;
    alter table only booking add constraint apart
      exclude using gist (k with =, sub with =, r with &&) deferrable initially deferred;
";

/// The parts of an exclusion constraint are constraints themselves.
#[tokio::test]
async fn parts_of_an_exclusion_constraint_are_built_unless_rows_forbid_it() {
    for (major, locking) in [(Major::V17, Locking::Concurrent), (Major::V18, Locking::Blocking)] {
        let database = database(major, "bookings");
        database.execute(BOOKINGS).await.unwrap();
        let overlapping =
            "insert into booking values (50, 2, '[5000,5010)'), (50, 2, '[5009,5020)')";
        database.execute(overlapping).await.unwrap();
        let options = || RebuildOptions { locking, ..RebuildOptions::default() };
        let refused = rebuild(&database, options()).await;
        assert_eq!(ends(&refused)["public.apart"], "refused", "{major} {:?}", refused.findings);
        assert_eq!(found(&refused, "conflicting_rows").len(), 1, "{:?}", refused.findings);
        let without = "select coalesce(string_agg(c.oid::regclass::text, ' ' order by 1), '') \
                         from pg_class c where c.relkind = 'r' and c.relispartition and not exists \
                              (select from pg_constraint o where o.conrelid = c.oid and o.contype = 'x')";
        assert_eq!(database.value(without).await.unwrap().as_deref(), Some("low_b"), "{major}");
        database.execute("delete from booking where r = '[5009,5020)'").await.unwrap();
        let rebuilt = rebuild(&database, options()).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert!(rebuilt.findings.iter().all(|one| one.code == "amcheck_missing"), "{rebuilt:?}");
        assert_sound(&database, &major.to_string()).await;
        let parts = "select count(*) || ' ' || count(*) filter (where condeferred and convalidated) \
                     from pg_constraint where contype = 'x' and conparentid <> 0";
        assert_eq!(database.value(parts).await.unwrap().as_deref(), Some("4 4"), "{major}");
        let error = database.execute(overlapping).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("23P01"), "{major}");
        let again = rebuild(&database, RebuildOptions::default()).await;
        assert!(again.indexes.is_empty(), "{major}: {:?}", ends(&again));
    }
}

/// What was built to its end before the rebuild was killed is taken, what was not is dropped; what
/// somebody made needless meanwhile goes.
#[tokio::test]
async fn parts_of_an_interrupted_rebuild() {
    for major in [Major::V13, Major::V18] {
        let database = database(major, "interrupted");
        database.execute(TREE).await.unwrap();
        database
            .execute("create index whole on only root (sub); create index low_whole on only low (sub); alter index whole attach partition low_whole")
            .await
            .unwrap();
        database.execute("create index other on root (v)").await.unwrap();
        let part = async |whole: &str, leaf: &str| {
            let sql = format!(
                "select 'pghaul_part_' || '{whole}'::regclass::oid || '_' || '{leaf}'::regclass::oid"
            );
            database.value(sql).await.unwrap().unwrap()
        };
        let (done, half) = (part("whole", "high").await, part("low_whole", "low_a").await);
        let needless = part("low_v_idx", "low_b").await;
        database
            .execute(format!(
                "create index {done} on high (sub); create index {half} on low_a (sub); create index {needless} on low_b (v);
                 update pg_index set indisvalid = false where indexrelid = '{half}'::regclass"
            ))
            .await
            .unwrap();
        let file =
            format!("select relfilenode from pg_class where relname in ('{done}', 'high_whole')");
        let before = database.value(&file).await.unwrap();
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert_eq!(database.value(&file).await.unwrap(), before, "{major}: it was built again");
        let now = described(&database).await;
        assert!(!now.keys().any(|name| name.starts_with("pghaul")), "{major}: {now:#?}");
        assert!(
            now["high_whole"].ends_with("| whole")
                && now["low_a_low_whole"].ends_with("| low_whole"),
            "{now:#?}"
        );
        assert_sound(&database, &major.to_string()).await;
    }
}

/// Then it is said which partition, and why.
#[tokio::test]
async fn a_partition_that_can_have_no_part() {
    let database = database(Major::V14, "foreign");
    database.execute(TREE).await.unwrap();
    database
        .execute(
            "create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
             create foreign table far partition of root for values from (1000) to (2000) server nowhere;
             create index root_sub on only root (sub)",
        )
        .await
        .unwrap();
    let rebuilt = rebuild(&database, RebuildOptions::default()).await;
    assert_eq!(ends(&rebuilt)["public.root_sub"], "failed");
    let why = found(&rebuilt, "invalid_index");
    assert!(
        why[0]
            .message
            .ends_with("`public.far` is a foreign table, which can have no part of an index"),
        "{why:?}"
    );
}

#[tokio::test]
async fn rows_that_may_lie_in_the_wrong_partition() {
    let database = database(Major::V14, "bounds");
    database
        .execute(
            "create collation moved (lc_collate = 'C', lc_ctype = 'C');
             create table words (word text collate moved) partition by range (word);
             create table upper partition of words for values from ('A') to ('a');
             create table lower partition of words for values from ('a') to ('z');
             create index on words (word);
             insert into words values ('Zebra'), ('ape')",
        )
        .await
        .unwrap();
    move_collation(&database).await;
    let rebuilt = rebuild(&database, RebuildOptions::default()).await;
    assert_all_rebuilt(&rebuilt, "14");
    let finding = found(&rebuilt, "partitions_exposed");
    assert_eq!(finding.len(), 1, "{:?}", rebuilt.findings);
    assert!(finding[0].message.contains("public.words"), "{finding:?}");
    assert!(rebuilt.recorded.is_empty(), "the trace of the change stays");
}

const VIEWS: &str = "
    create collation moved (lc_collate = 'C', lc_ctype = 'C');
    create table t (id int primary key, domain text collate moved);
    insert into t select g, case when g % 2 = 0 then 'D' else 'd' end || g % 100 from generate_series(1, 2000) g;
    create index t_domain on t (domain);
    create materialized view b_base as select domain, count(*) as n from t group by domain;
    create unique index b_base_domain on b_base (domain);
    create index b_base_n on b_base (n);
    create materialized view a_above as select domain from b_base;
    create unique index a_above_domain on a_above (domain);
    create materialized view numbers as select id from t;
    create unique index numbers_id on numbers (id);
    create materialized view empty as select domain from t with no data;
    create unique index empty_domain on empty (domain);
";

async fn refreshed(database: &Database<'_>) {
    // What only a refresh brings in.
    database.execute("insert into t values (-1, 'new')").await.unwrap();
}

#[tokio::test]
async fn views_whose_unique_index_is_exposed_are_computed_again() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = database(major, "views");
        database.execute(VIEWS).await.unwrap();
        refreshed(&database).await;
        move_collation(&database).await;
        let before = described(&database).await;
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        let names: Vec<String> = rebuilt.refreshed.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["public.b_base", "public.a_above"], "{major}: who is read comes first");
        let count = |view: &str| format!("select count(*) from {view} where domain = 'new'");
        for view in ["b_base", "a_above"] {
            assert_eq!(database.value(count(view)).await.unwrap().as_deref(), Some("1"), "{view}");
        }
        let sql = "select count(*) from numbers where id = -1";
        assert_eq!(database.value(sql).await.unwrap().as_deref(), Some("0"), "not exposed");
        assert_eq!(described(&database).await, before, "{major}");
        assert_sound(&database, &major.to_string()).await;
    }
}

#[tokio::test]
async fn views_are_left_as_they_are_if_asked() {
    let database = database(Major::V18, "kept");
    database.execute(VIEWS).await.unwrap();
    refreshed(&database).await;
    move_collation(&database).await;
    let options = RebuildOptions { views: Views::Keep, ..RebuildOptions::default() };
    let rebuilt = rebuild(&database, options).await;
    assert_all_rebuilt(&rebuilt, "18");
    assert!(rebuilt.refreshed.is_empty());
    let sql = "select count(*) from b_base where domain = 'new'";
    assert_eq!(database.value(sql).await.unwrap().as_deref(), Some("0"));
}

#[tokio::test]
async fn a_view_is_not_computed_through_a_damaged_index() {
    let database = database(Major::V14, "damaged");
    database.execute(VIEWS).await.unwrap();
    database.execute("create unique index t_id on t (id)").await.unwrap();
    database
        .execute(
            "update pg_index set indisready = false, indisvalid = false where indexrelid in ('t_id'::regclass, 't_pkey'::regclass);
             insert into t values (1, 'twin');
             update pg_index set indisready = true, indisvalid = true where indexrelid in ('t_id'::regclass, 't_pkey'::regclass)",
        )
        .await
        .unwrap();
    refreshed(&database).await;
    move_collation(&database).await;
    let rebuilt = rebuild(&database, all()).await;
    assert_eq!(ends(&rebuilt)["public.t_id"], "refused");
    assert!(rebuilt.refreshed.is_empty());
    assert_eq!(found(&rebuilt, "view_not_refreshed").len(), 2, "{:?}", rebuilt.findings);
    let view = rebuilt.indexes.iter().find(|one| one.index.name.name.as_str() == "b_base_domain");
    assert!(matches!(view.unwrap().end, IndexEnd::Rebuilt { .. }));
}

/// The view that a Mastodon server needs most.
#[tokio::test]
async fn mastodons_instances() {
    let database = linguistic(Major::V14, "mastodon");
    let shape = mastodon::Shape { version: mastodon::Version::V4_2_0, statuses: 2000, seed: 1 };
    mastodon::create(&database, shape).await.unwrap();
    let rebuilt = rebuild(&database, RebuildOptions::default()).await;
    assert_all_rebuilt(&rebuilt, "14");
    let names: Vec<String> = rebuilt.refreshed.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["public.instances"]);
    let rebuilt_names = ends(&rebuilt);
    for exposed in ["index_accounts_on_username_and_domain_lower", "index_tags_on_name_lower_btree"]
    {
        assert!(rebuilt_names.contains_key(&format!("public.{exposed}")), "{exposed}");
    }
    for sound in ["index_statuses_on_uri", "statuses_pkey", "index_mentions_on_status_id"] {
        assert!(!rebuilt_names.contains_key(&format!("public.{sound}")), "{sound}");
    }
}
