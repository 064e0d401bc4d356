//! Indexes are rebuilt, and are what they were.

use std::collections::BTreeSet;

use pghaul::finding::Severity;
use pghaul::rebuild::{Locking, RebuildOptions, Unknown};
use pghaul_testbed::{Database, Major};

use super::{
    MAJORS, all, assert_all_rebuilt, assert_sound, database, described, ends, files, linguistic,
    rebuild,
};

/// A collation that was that of bytes when the indexes were built, and is not any more.
const MOVED: &str = "
    create collation moved (lc_collate = 'C', lc_ctype = 'C');
    create table t (id int primary key, email text collate moved not null, note text);
    insert into t
    select g, (case g % 4 when 0 then 'User' when 1 then 'user' when 2 then 'u-ser' else '_user' end) || g, 'n'
      from generate_series(1, 5000) g;
    create unique index t_email on t (email);
    create index t_note on t (note, email);
    create index t_plain on t (note);
    alter table t add constraint again unique (email);
";

pub(crate) async fn move_collation(database: &Database<'_>) {
    let version =
        if database.server().major() >= Major::V13 { ", collversion = '2.17'" } else { "" };
    let sql = format!(
        "update pg_collation set collcollate = 'en_US.UTF-8', collctype = 'en_US.UTF-8'{version} \
         where collname = 'moved'"
    );
    database.execute(sql).await.unwrap();
}

/// Of some hundred keys, those that an index scan finds.
async fn found_by_index(database: &Database<'_>) -> String {
    let session = database.connect().await.unwrap();
    session
        .execute("set enable_seqscan = off; set enable_bitmapscan = off; analyze t")
        .await
        .unwrap();
    let sql = "select count(*) from unnest(array(select email from t where id % 50 = 0 offset 0)) k (email) \
               where exists (select 1 from t where t.email = k.email collate moved)";
    session.value(sql).await.unwrap().unwrap()
}

#[tokio::test]
async fn exposed_indexes_stand_in_the_present_order() {
    for major in MAJORS {
        for locking in [Locking::Concurrent, Locking::Blocking] {
            let database = database(major, "exposed");
            database.execute(MOVED).await.unwrap();
            move_collation(&database).await;
            assert_ne!(found_by_index(&database).await, "100", "{major}: the order did not change");
            let (before, lay) = (described(&database).await, files(&database).await);

            let options = RebuildOptions { locking, ..RebuildOptions::default() };
            let rebuilt = rebuild(&database, options).await;
            assert_all_rebuilt(&rebuilt, &major.to_string());
            let names: BTreeSet<&str> =
                rebuilt.indexes.iter().map(|one| one.index.name.name.as_str()).collect();
            assert_eq!(names, BTreeSet::from(["again", "t_email", "t_note"]), "{major}");
            assert_eq!(found_by_index(&database).await, "100", "{major}");
            assert_eq!(described(&database).await, before, "{major}");
            let lies = files(&database).await;
            let moved: BTreeSet<&str> = lies
                .iter()
                .filter(|(name, file)| lay[*name] != **file)
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(moved, names, "{major}");
            assert_sound(&database, &major.to_string()).await;

            // Its version was recorded, where there is one.
            if major >= Major::V13 {
                assert_eq!(rebuilt.recorded, ["collation public.moved"], "{:?}", rebuilt.findings);
                let sql = "select collversion = pg_collation_actual_version(oid) from pg_collation \
                           where collname = 'moved'";
                assert_eq!(database.value(sql).await.unwrap().as_deref(), Some("t"), "{major}");
                let again = rebuild(&database, RebuildOptions::default()).await;
                assert!(again.indexes.is_empty(), "{major}: {:?}", again.indexes);
            } else {
                assert!(rebuilt.recorded.is_empty());
            }
            assert!(rebuilt.severity() <= Some(Severity::Note), "{major}: {:?}", rebuilt.findings);
        }
    }
}

#[tokio::test]
async fn a_version_is_recorded_only_when_nothing_is_left() {
    let database = database(Major::V14, "left");
    database.execute(MOVED).await.unwrap();
    move_collation(&database).await;
    let rebuilt = rebuild(&database, super::named(&["t_email", "again"])).await;
    assert_all_rebuilt(&rebuilt, "14");
    assert!(rebuilt.recorded.is_empty());
    let left = rebuilt.findings.iter().find(|one| one.code == "exposed_indexes_left").unwrap();
    assert!(
        left.message.contains("public.t_note") && !left.message.contains("t_email"),
        "{left:?}"
    );
    let sql = "select collversion from pg_collation where collname = 'moved'";
    assert_eq!(database.value(sql).await.unwrap().as_deref(), Some("2.17"));
}

/// Where no version is recorded, amcheck tells which indexes are in the present order.
#[tokio::test]
async fn what_is_in_order_is_not_rebuilt_again() {
    for major in [Major::V10, Major::V14] {
        let database = linguistic(major, "again");
        database
            .execute(
                "create extension amcheck;
                 create table words (id int primary key, word text, other text);
                 insert into words select g, 'w' || g, 'x' from generate_series(1, 1000) g;
                 create index words_word on words (word); create index words_lower on words (lower(word));
                 create index words_gin on words using gin (to_tsvector('simple', word))",
            )
            .await
            .unwrap();
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        let names: BTreeSet<&str> =
            rebuilt.indexes.iter().map(|one| one.index.name.name.as_str()).collect();
        // What a function does with characters is not seen by it, nor what is in a GIN index.
        assert_eq!(names, BTreeSet::from(["words_gin", "words_lower"]), "{major}");
        let codes: BTreeSet<&str> = rebuilt.findings.iter().map(|one| one.code).collect();
        assert!(codes.contains("not_checked_kinds"), "{major}: {:?}", rebuilt.findings);

        // One that is not in order is rebuilt, once.
        database.execute("drop index words_lower, words_gin").await.unwrap();
        database.execute(MOVED).await.unwrap();
        if major < Major::V13 {
            move_collation(&database).await;
            let rebuilt = rebuild(&database, RebuildOptions::default()).await;
            assert_all_rebuilt(&rebuilt, &major.to_string());
            assert_eq!(rebuilt.indexes.len(), 3, "{major}");
            assert_sound(&database, &major.to_string()).await;
        }
        let again = rebuild(&database, RebuildOptions::default()).await;
        assert!(again.indexes.is_empty(), "{major}: {:?}", again.indexes);

        // One of which the version says that it changed is rebuilt whatever its order, so that the
        // version can be recorded.
        if major >= Major::V13 {
            database
                .execute(
                    "create collation told (lc_collate = 'en_US.UTF-8', lc_ctype = 'en_US.UTF-8');
                     create table told (word text collate told primary key);
                     update pg_collation set collversion = '2.17' where collname = 'told'",
                )
                .await
                .unwrap();
            let rebuilt = rebuild(&database, RebuildOptions::default()).await;
            assert_eq!(rebuilt.indexes.len(), 1, "{major}: {:?}", rebuilt.indexes);
            assert_eq!(rebuilt.recorded, ["collation public.told"], "{major}");
        }
    }
}

/// Where amcheck is not installed nobody knows; once all are rebuilt under the present library they
/// can be left alone.
#[tokio::test]
async fn what_nobody_knows_is_left_alone_if_asked() {
    for major in [Major::V9_6, Major::V14] {
        let database = linguistic(major, "unknown");
        database
            .execute(
                "create table words (id int primary key, word text);
                 create index words_word on words (word); create index words_lower on words (lower(word));
                 create index words_id on words (id)",
            )
            .await
            .unwrap();
        let keep = || RebuildOptions { unknown: Unknown::Keep, ..RebuildOptions::default() };
        for _ in 0..2 {
            let rebuilt = rebuild(&database, RebuildOptions::default()).await;
            assert_eq!(rebuilt.indexes.len(), 2, "{major}");
        }
        let rebuilt = rebuild(&database, keep()).await;
        assert!(rebuilt.indexes.is_empty(), "{major}: {:?}", ends(&rebuilt));
        let left = rebuilt.findings.iter().find(|one| one.code == "unknown_versions_left").unwrap();
        assert!(
            left.severity == Severity::Note && left.message.contains(": 2 indexes"),
            "{left:?}"
        );
        // Not what is wrong for other reasons, nor what is known.
        database
            .execute("update pg_index set indisvalid = false where indexrelid in ('words_id'::regclass, 'words_word'::regclass)")
            .await
            .unwrap();
        let mut expected = vec!["public.words_id", "public.words_word"];
        if major >= Major::V13 {
            database.execute(MOVED).await.unwrap();
            move_collation(&database).await;
            expected.extend(["public.again", "public.t_email", "public.t_note"]);
        }
        expected.sort_unstable();
        let rebuilt = rebuild(&database, keep()).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert_eq!(ends(&rebuilt).keys().collect::<Vec<_>>(), expected, "{major}");
    }
}

#[tokio::test]
async fn the_version_of_the_database_itself() {
    for major in [Major::V15, Major::V18] {
        let database = linguistic(major, "itself");
        database
            .execute(
                "create table t (a text primary key, b int unique); insert into t values ('x', 1)",
            )
            .await
            .unwrap();
        super::health::forget_version(&database, "2.17").await;
        let rebuilt = rebuild(&database, RebuildOptions::default()).await;
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert_eq!(rebuilt.indexes.len(), 1);
        assert_eq!(rebuilt.recorded, ["the database's own collation"]);
        let sql = "select datcollversion = pg_database_collation_actual_version(oid) \
                   from pg_database where datname = current_database()";
        assert_eq!(database.value(sql).await.unwrap().as_deref(), Some("t"), "{major}");
    }
}

/// Everything that an index can have, and everything that can hold on to one.
const KINDS: &str = "
    create extension btree_gist;
    create table parent (
        id int primary key, a text not null, b text, c int4range, d timestamptz default now(),
        constraint parent_a unique (a),
        constraint parent_e unique (b, a) deferrable initially deferred,
        constraint parent_f unique (d, b, a) deferrable,
        constraint parent_b unique (b),
        constraint parent_c exclude using gist (a with =, c with &&)
    );
    create table child (id int primary key, parent int references parent, a text references parent (a));
    create unique index parent_d on parent (d, id);
    create table grandchild (a int, b text, constraint held_by_index foreign key (b) references parent (b));
    create view grouped as select id, a, b from parent group by id;
    create index \"Odd \"\"name ON x\" on parent (lower(a)) with (fillfactor = 70) where b is not null;
    create index parent_expr on parent ((id % 7), upper(b));
    create index parent_gin on parent using gin (to_tsvector('simple', a));
    create unique index parent_partial on parent (d) where id < 0;
    create table marked (id int not null, k text not null, constraint marked_pkey primary key (id));
    create unique index marked_k on marked (k);
    alter table marked cluster on marked_pkey;
    alter table marked replica identity using index marked_k;
    create table ordered (id int, t text);
    create index ordered_t on ordered (t desc nulls last, id);
    alter table ordered cluster on ordered_t;
    comment on index \"Odd \"\"name ON x\" is 'it''s odd';
    comment on index marked_k is 'a comment\\with a backslash';
    comment on constraint marked_pkey on marked is 'of the constraint';
    comment on index marked_pkey is 'of the index';
    comment on constraint parent_a on parent is 'deferred';
    comment on constraint parent_e on parent is 'deferred';
    create materialized view seen as select id % 10 as k, count(*) as n from parent group by 1;
    create unique index seen_k on seen (k);
    create materialized view unseen as select 1 as k with no data;
    create index unseen_k on unseen (k);
    create unlogged table gone (id int primary key);
    insert into parent select g, 'a' || g, 'b' || g, int4range(g, g + 1) from generate_series(1, 500) g;
    insert into child select g, g, 'a' || g from generate_series(1, 500) g;
    insert into grandchild select g, 'b' || g from generate_series(1, 500) g;
    insert into marked select g, 'k' || g from generate_series(1, 500) g;
    refresh materialized view seen;
";

#[tokio::test]
async fn every_kind_of_index_is_what_it_was() {
    for major in MAJORS {
        let server = pghaul_testbed::Server::shared(major).unwrap();
        let folder = server.new_folder(&server.unique_name("space")).unwrap();
        let space = server.unique_name("space");
        server
            .execute(format!("create tablespace \"{space}\" location '{}'", folder.display()))
            .await
            .unwrap();
        for locking in [Locking::Concurrent, Locking::Blocking] {
            let database = database(major, "kinds");
            database.execute(KINDS).await.unwrap();
            let statistics = if major >= Major::V11 {
                "alter index parent_expr alter column 2 set statistics 321"
            } else {
                "alter table parent_expr alter column upper set statistics 321"
            };
            database
                .execute(format!("{statistics}; alter index marked_k set tablespace \"{space}\""))
                .await
                .unwrap();
            let (before, lay) = (described(&database).await, files(&database).await);
            assert!(before["marked_k"].contains(&space) && before["parent_expr"].contains("321"));

            let rebuilt = rebuild(&database, RebuildOptions { locking, ..all() }).await;
            assert_all_rebuilt(&rebuilt, &format!("{major} {locking:?}"));
            let of_toast =
                ends(&rebuilt).keys().filter(|name| name.starts_with("pg_toast.")).count();
            assert!(of_toast > 0);
            assert_eq!(rebuilt.indexes.len() - of_toast, lay.len());
            assert_eq!(described(&database).await, before, "{major} {locking:?}");
            for (name, file) in files(&database).await {
                assert_ne!(lay[&name], file, "{major} {locking:?}: {name} was not rebuilt");
            }
            assert_sound(&database, &major.to_string()).await;
            // What held on still does.
            let orphan = database.execute("insert into child values (999, 999, 'a1')").await;
            assert!(orphan.unwrap_err().to_string().contains("foreign key"));
            assert_eq!(
                database.value("select count(*) from grouped").await.unwrap().as_deref(),
                Some("500")
            );
            database.execute("drop database if exists nothing").await.unwrap();
            database.execute("drop index marked_k").await.unwrap();
        }
    }
}

/// Before 12 the way depends on what holds on to the index.
#[tokio::test]
async fn what_others_hold_on_to_is_not_replaced() {
    for major in [Major::V9_6, Major::V10] {
        let database = database(major, "held");
        database.execute(KINDS).await.unwrap();
        let rebuilt = rebuild(&database, all()).await;
        let by = |name: &str| {
            let found = rebuilt.indexes.iter().find(|one| one.index.name.name.as_str() == name);
            found.unwrap().method.name()
        };
        for held in ["parent_pkey", "parent_a", "parent_b", "parent_c"] {
            assert_eq!(by(held), "reindex", "{major} {held}");
        }
        for free in [
            "child_pkey",
            "marked_pkey",
            "marked_k",
            "parent_d",
            "parent_e",
            "parent_f",
            "ordered_t",
            "seen_k",
        ] {
            assert_eq!(by(free), "new index and swap", "{major} {free}");
        }
    }
}

/// What comes to hold on to an index after it was looked at is noticed before the old one goes.
#[tokio::test]
async fn what_comes_to_be_held_meanwhile_is_not_replaced() {
    for major in [Major::V9_6, Major::V10] {
        let database = database(major, "held_later");
        database
            .execute(
                "create table t (id int primary key, k int, constraint t_k unique (k));
                 create table u (k int); insert into t values (1, 1); insert into u values (1)",
            )
            .await
            .unwrap();
        let prepared = pghaul::rebuild::PreparedRebuild::new(
            super::endpoint(&database.url()),
            super::named(&["t_k"]),
        )
        .await
        .unwrap();
        database.execute("alter table u add foreign key (k) references t (k)").await.unwrap();
        let (before, lay) = (described(&database).await, files(&database).await);
        let stop = pghaul::run::Stop::default();
        let rebuilt = prepared.run(std::sync::Arc::new(()), stop).await.unwrap();
        assert_all_rebuilt(&rebuilt, &major.to_string());
        assert_eq!(described(&database).await, before, "{major}");
        assert_ne!(files(&database).await["t_k"], lay["t_k"], "{major}: it was not rebuilt");
    }
}
