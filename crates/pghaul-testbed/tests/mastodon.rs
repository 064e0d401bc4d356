//! The Mastodon-shaped database: complete, sound, and the same everywhere.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::collections::BTreeMap;

use pghaul_testbed::mastodon::{self, Shape, TableDigest, Version};
use pghaul_testbed::{CreateOptions, Database, Major, Server, Session, locales};

const MAJORS: [Major; 3] = [Major::V9_6, Major::V14, Major::V18];

fn shape(version: Version, statuses: u64, seed: u64) -> Shape {
    Shape { version, statuses, seed }
}

fn made(major: Major, shape: Shape) -> Database<'static> {
    let database = Database::new(Server::shared(major).unwrap(), "mastodon").unwrap();
    mastodon::create(&database, shape).wait().unwrap();
    database
}

fn digest_of(database: &Database<'_>) -> BTreeMap<String, TableDigest> {
    mastodon::digest(&database.connect().wait().unwrap()).wait().unwrap()
}

fn texts(session: &Session, sql: &str) -> Vec<String> {
    session.query_text(sql).wait().unwrap().into_iter().flatten().flatten().collect()
}

#[test]
fn both_versions_are_whole_and_the_same_on_every_major() {
    for (version, tables, foreign_keys, indexes) in
        [(Version::V3_5_3, 84, 109, 227), (Version::V4_2_0, 94, 121, 258)]
    {
        let mut digests = Vec::new();
        for major in MAJORS {
            let database = made(major, shape(version, 2000, 7));
            let session = database.connect().wait().unwrap();
            let count = |sql: &str| session.value(sql).wait().unwrap().unwrap();
            assert_eq!(
                count("select count(*) from pg_tables where schemaname = 'public'"),
                tables.to_string()
            );
            assert_eq!(
                count("select count(*) from pg_constraint where contype = 'f' and convalidated"),
                foreign_keys.to_string()
            );
            assert_eq!(
                count(
                    "select count(*) from pg_index join pg_class on oid = indexrelid \
                     where relnamespace = 'public'::regnamespace and indisvalid and indisready"
                ),
                indexes.to_string()
            );
            digests.push((major, mastodon::digest(&session).wait().unwrap()));
        }
        let (_, first) = &digests[0];
        assert_eq!(first.len(), tables + 1, "the tables and one populated view");
        for (table, digest) in first {
            assert!(digest.rows > 0, "{version:?} {table} has no rows");
        }
        assert_eq!(first["statuses"].rows, 2000);
        for (major, digest) in &digests[1..] {
            assert_eq!(digest, first, "{version:?} on {major}");
        }
    }
}

#[test]
fn every_major_loads_it() {
    for major in Major::ALL {
        let database = made(major, shape(Version::V4_2_0, 300, 1));
        let session = database.connect().wait().unwrap();
        // What an instance does every night, and needs all of the views' columns.
        session
            .execute(
                "refresh materialized view account_summaries; \
                 refresh materialized view global_follow_recommendations; \
                 refresh materialized view concurrently instances",
            )
            .wait()
            .unwrap();
    }
}

#[test]
fn another_seed_gives_other_rows_and_the_locale_gives_the_same() {
    let one = digest_of(&made(Major::V14, shape(Version::V4_2_0, 500, 1)));
    let two = digest_of(&made(Major::V14, shape(Version::V4_2_0, 500, 2)));
    for table in ["accounts", "statuses", "favourites", "mentions", "media_attachments", "users"] {
        assert_ne!(one[table], two[table], "{table}");
    }

    let linguistic = locales().unwrap().linguistic().unwrap();
    let options = CreateOptions { locale: Some(linguistic.to_owned()), ..Default::default() };
    let server = Server::shared(Major::V9_6).unwrap();
    let database = Database::create(server, "linguistic", &options).unwrap();
    mastodon::create(&database, shape(Version::V4_2_0, 500, 1)).wait().unwrap();
    assert_eq!(digest_of(&database), one);
}

/// The sizes at which the arithmetic could go wrong: nothing to divide, not all digits there.
#[test]
fn any_size_holds_its_constraints() {
    for statuses in [1, 2, 9, 10, 37, 1003] {
        for version in [Version::V3_5_3, Version::V4_2_0] {
            let database = made(Major::V18, shape(version, statuses, statuses + 3));
            assert_eq!(digest_of(&database)["statuses"].rows, statuses);
        }
    }
}

#[test]
fn it_has_what_makes_such_databases_hard() {
    let database = made(Major::V9_6, shape(Version::V3_5_3, 2000, 3));
    let session = database.connect().wait().unwrap();
    let holds = |what: &str, sql: &str| {
        assert_eq!(session.value(sql).wait().unwrap().as_deref(), Some("t"), "{what}");
    };
    for table in ["accounts", "statuses", "media_attachments"] {
        holds(
            "small ids and snowflakes in one table",
            &format!("select min(abs(id)) < 100000 and max(id) > 100000000000000000 from {table}"),
        );
    }
    holds("the instance actor", "select actor_type = 'Application' from accounts where id = -99");
    holds("local and remote", "select count(distinct domain is null) = 2 from accounts");
    holds("NULL uris", "select count(*) between 1 and 200 from statuses where uri is null");
    holds(
        "soft-deleted rows",
        "select count(*) between 5 and 100 from statuses where deleted_at is not null",
    );
    holds(
        "texts like COPY's syntax",
        r"select bool_or(text = '\N') and bool_or(text = '\.') from statuses",
    );
    holds(
        "arrays with NULL, quotes, and the word NULL",
        r#"select bool_or(array_position(options, null) is not null) and bool_or('NULL' = any(options))
           and bool_or('"quotes"' = any(options)) from polls"#,
    );
    holds(
        "values out of line, compressed and not",
        "select bool_or(pg_column_size(text) > 2000 and octet_length(text) = pg_column_size(text)) \
         and bool_or(octet_length(text) > 3 * pg_column_size(text)) from statuses",
    );
    holds(
        "replies to oneself",
        "select count(*) > 0 from statuses where in_reply_to_account_id = account_id",
    );
    holds(
        "exact duplicates where nothing forbids them",
        "select count(*) > count(distinct t) from preview_cards_statuses t",
    );
    for (what, orphans) in [
        (
            "statuses.conversation_id",
            "select from statuses s where conversation_id is not null and not exists (select from conversations c where c.id = s.conversation_id)",
        ),
        (
            "conversation of every status",
            "select from statuses where (conversation_id is null) <> (reblog_of_id is not null)",
        ),
        (
            "statuses.poll_id",
            "select from statuses s where poll_id is not null and not exists (select from polls p where p.id = s.poll_id and p.status_id = s.id)",
        ),
        (
            "notifications of favourites",
            "select from notifications n where activity_type = 'Favourite' and not exists (select from favourites f where f.id = n.activity_id)",
        ),
        (
            "notifications of mentions",
            "select from notifications n where activity_type = 'Mention' and not exists (select from mentions m where m.id = n.activity_id)",
        ),
        (
            "account_conversations.status_ids",
            "select from account_conversations a, unnest(status_ids) i where not exists (select from statuses s where s.id = i and s.conversation_id = a.conversation_id)",
        ),
        (
            "statuses.ordered_media_attachment_ids",
            "select from statuses s, unnest(ordered_media_attachment_ids) i where not exists (select from media_attachments m where m.id = i and m.status_id = s.id)",
        ),
        (
            "status_stats.favourites_count",
            "select from status_stats t where favourites_count <> (select count(*) from favourites f where f.status_id = t.status_id)",
        ),
    ] {
        holds(what, &format!("select not exists ({orphans})"));
    }
    let unpopulated =
        "select relname from pg_class where relkind = 'm' and not relispopulated order by 1";
    assert_eq!(texts(&session, unpopulated), ["account_summaries", "follow_recommendations"]);
    let owners = "select coalesce(pg_get_serial_sequence(t, 'id'), 'none') \
                  from unnest(array['statuses', 'accounts', 'media_attachments', 'favourites']) t";
    assert_eq!(
        texts(&session, owners),
        ["public.statuses_id_seq", "public.accounts_id_seq", "none", "public.favourites_id_seq"]
    );
    // The defaults work: serials go on behind the highest, snowflakes are of now.
    session
        .execute(
            "insert into favourites (account_id, status_id, created_at, updated_at) \
             select -99, max(id), now(), now() from statuses; \
             insert into statuses (account_id, created_at, updated_at) values (-99, now(), now())",
        )
        .wait()
        .unwrap();
    holds(
        "the time of a snowflake",
        "select abs(extract(epoch from now()) - (max(id) >> 16) / 1000) < 600 from statuses",
    );
}

#[test]
fn only_the_newer_version_has_gaps_in_its_attributes() {
    let gaps = "select count(*) from pg_attribute where attisdropped \
                and attrelid in ('users'::regclass, 'custom_filters'::regclass)";
    for (version, dropped) in [(Version::V3_5_3, "0"), (Version::V4_2_0, "3")] {
        let database = made(Major::V10, shape(version, 50, 1));
        assert_eq!(database.value(gaps).wait().unwrap().as_deref(), Some(dropped));
    }
}

#[test]
fn the_fill_leaves_nothing_in_its_session() {
    let database = Database::new(Server::shared(Major::V18).unwrap(), "stages").unwrap();
    let session = database.connect().wait().unwrap();
    let shape = shape(Version::V3_5_3, 50, 1);
    for stage in [shape.ddl_before_data(), shape.fill()].concat() {
        session.execute(stage.sql).wait().unwrap();
    }
    let left = "select (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) \
                + (select count(*) from pg_proc where pronamespace = pg_my_temp_schema())";
    assert_eq!(session.value(left).wait().unwrap().as_deref(), Some("0"));
    assert_eq!(session.value("show enable_mergejoin").wait().unwrap().as_deref(), Some("on"));
}
