//! Partitioned tables, and materialized views.

use pghaul::rebuild::{IndexEnd, Locking, RebuildOptions, Views};
use pghaul_testbed::{Database, Major, mastodon};

use super::build::move_collation;
use super::obstacles::found;
use super::{
    all, assert_all_rebuilt, assert_sound, database, described, ends, files, linguistic, named,
    rebuild,
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

        // A part that is missing cannot be made up.
        database.execute("create index root_sub on only root (sub)").await.unwrap();
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_eq!(super::ends(&rebuilt)["public.root_sub"], "failed", "{major}");
        assert!(found(&rebuilt, "invalid_index")[0].remedy.contains("ATTACH"), "{major}");
    }
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
    for major in [Major::V9_6, Major::V14, Major::V18] {
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
