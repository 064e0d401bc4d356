//! Which indexes are exposed, invalid or damaged, and which are not.

use std::collections::BTreeMap;

use pghaul::connect::Purpose;
use pghaul::rebuild::amcheck::Verdict;
use pghaul::rebuild::{Health, Reason, Thoroughness, health};
use pghaul_testbed::damage::{Damage, Order, Recipe};
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::{Database, Major, Role, Server};

use super::{MAJORS, endpoint, linguistic};

pub(crate) async fn look_as(url: &str, thoroughness: Thoroughness) -> Health {
    let session = endpoint(url).connect(Purpose::Catalog, "health").await.unwrap();
    health(&session, |_| true, thoroughness).await.unwrap()
}

pub(crate) async fn look(database: &Database<'_>, thoroughness: Thoroughness) -> Health {
    look_as(&database.url(), thoroughness).await
}

/// Why each index should be rebuilt, if it should.
pub(crate) fn reasons(health: &Health) -> BTreeMap<String, Vec<Reason>> {
    health
        .indexes
        .iter()
        .filter(|one| !one.reasons().is_empty())
        .map(|one| (one.index.name.to_string(), one.reasons()))
        .collect()
}

fn exposed(health: &Health) -> Vec<&str> {
    health
        .indexes
        .iter()
        .filter(|one| !one.exposures.is_empty())
        .map(|one| one.index.name.name.as_str())
        .collect()
}

/// Indexes whose name begins with `e` depend on the order of text or on its classes of characters;
/// the others do not.
const KINDS: &str = "
    create type pair as (a int, b text);
    create type words as range (subtype = text);
    create domain short as varchar(20);
    create function fold(text) returns text language sql immutable as 'select $1';
    create table t (
        id int primary key, name text, code text collate \"C\", short short, fixed char(9),
        tags text[], pair pair, words words, at timestamptz, doc jsonb, bytes bytea, n numeric
    );
    create unique index e_name on t (name);
    create index e_second on t (id, name);
    create index e_short on t (short);
    create index e_fixed on t (fixed);
    create index e_tags on t (tags);
    create index e_tags_gin on t using gin (tags);
    create index e_pair on t (pair);
    create index e_words on t using gist (words);
    create index e_brin on t using brin (name);
    create index e_lower on t (lower(name) text_pattern_ops);
    create index e_fold on t (fold(name) collate \"C\");
    create index e_predicate on t (id) where name < 'm';
    create index e_regex on t (id) where name ~* 'x';
    create index e_search on t using gin (to_tsvector('simple', name));
    create index e_greatest on t (id) where greatest(name, 'x') = 'x';
    create index f_code on t (code);
    create index f_pattern on t (name text_pattern_ops);
    create index f_hash on t using hash (name);
    create index f_day on t (date_trunc('day', at at time zone 'utc'));
    create index f_json on t ((doc ->> 'id') text_pattern_ops);
    create index f_doc on t using gin (doc);
    create index f_equal on t (id) where name = 'x' and code is not null;
    create index f_md5 on t (md5(name) text_pattern_ops);
    create index f_bytes on t (bytes, n);
    create index f_lower_code on t (lower(code));
";

#[tokio::test]
async fn what_depends_on_a_collation() {
    for major in MAJORS {
        let database = linguistic(major, "kinds");
        database.execute(KINDS).await.unwrap();
        let found = look(&database, Thoroughness::Skip).await;
        let mut expected: Vec<&str> = found
            .indexes
            .iter()
            .map(|one| one.index.name.name.as_str())
            .filter(|name| name.starts_with("e_"))
            .collect();
        expected.sort_unstable();
        let mut exposed = exposed(&found);
        exposed.sort_unstable();
        // From 15 on the database's own version is recorded, and is the present one.
        let expected = if major >= Major::V15 { Vec::new() } else { expected };
        assert_eq!(exposed, expected, "{major}");
        if major >= Major::V15 {
            forget_version(&database, "2.17").await;
            let found = look(&database, Thoroughness::Skip).await;
            let certain = found.indexes.iter().filter(|one| !one.exposures.is_empty());
            for one in certain {
                assert!(one.exposures[0].is_certain(), "{:?}", one.exposures);
                assert!(one.index.name.name.as_str().starts_with("e_"), "{:?}", one.index.name);
            }
            assert_eq!(self::exposed(&found).len(), 15, "{major}");
        }

        // In the order of bytes nothing can change.
        let plain = Database::new(Server::shared(major).unwrap(), "plain").unwrap();
        plain.execute(KINDS).await.unwrap();
        assert_eq!(self::exposed(&look(&plain, Thoroughness::Skip).await), [""; 0], "{major}");
    }
}

/// Records another version of the database's own collation than the system's (15 and newer).
pub(crate) async fn forget_version(database: &Database<'_>, version: &str) {
    let sql = format!(
        "update pg_database set datcollversion = '{version}' where datname = current_database()"
    );
    database.execute(sql).await.unwrap();
}

#[tokio::test]
async fn collations_of_their_own() {
    for major in [Major::V10, Major::V14, Major::V18] {
        let database = Database::new(Server::shared(major).unwrap(), "own").unwrap();
        database
            .execute(
                "create collation same (provider = icu, locale = 'de');
                 create collation \"Moved\" (provider = icu, locale = 'sv');
                 update pg_collation set collversion = '1.2' where collname = 'Moved';
                 create table t (a text collate same, b text collate \"Moved\");
                 create index on t (a); create index on t (b);
                 create index two on t (a, b collate \"C\")",
            )
            .await
            .unwrap();
        let found = look(&database, Thoroughness::Skip).await;
        assert_eq!(exposed(&found), ["t_b_idx"], "{major}");
        let moved = found.indexes.iter().find(|one| one.index.name.name.as_str() == "t_b_idx");
        let exposure = &moved.unwrap().exposures[0];
        assert!(exposure.is_certain());
        let text = exposure.to_string();
        assert!(text.contains("collation public.Moved") && text.contains("1.2"), "{text}");
        let finding = found.findings.iter().find(|one| one.code == "exposed_index").unwrap();
        assert_eq!(finding.object.as_deref(), Some("public.t_b_idx"));
    }
}

#[tokio::test]
async fn equal_texts_that_are_not_equal_bytes() {
    let database = Database::new(Server::shared(Major::V14).unwrap(), "loose").unwrap();
    database
        .execute(
            "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             update pg_collation set collversion = '1.2' where collname = 'loose';
             create table t (a text collate loose, id int);
             create index hashed on t using hash (a);
             create index predicate on t (id) where a = 'x'",
        )
        .await
        .unwrap();
    assert_eq!(exposed(&look(&database, Thoroughness::Skip).await), ["hashed", "predicate"]);
}

#[tokio::test]
async fn citext_and_trigrams() {
    let database = linguistic(Major::V14, "citext");
    database
        .execute(
            "create extension citext; create extension pg_trgm;
             create table t (a citext collate \"C\", b text collate \"C\", c text);
             create index folded on t (a);
             create index folded_hash on t using hash (a);
             create index f_trigrams on t using gin (b gin_trgm_ops);
             create index trigrams on t using gin (c gin_trgm_ops)",
        )
        .await
        .unwrap();
    assert_eq!(
        exposed(&look(&database, Thoroughness::Skip).await),
        ["folded", "folded_hash", "trigrams"]
    );
}

#[tokio::test]
async fn what_is_not_valid() {
    for major in MAJORS {
        let database = Database::new(Server::shared(major).unwrap(), "invalid").unwrap();
        database
            .execute("create table \"T t\" (a int); insert into \"T t\" values (1), (1)")
            .await
            .unwrap();
        let failed =
            database.execute("create unique index concurrently \"A \"\"b\" on \"T t\" (a)").await;
        assert!(failed.is_err());
        database
            .execute(
                "create index fine on \"T t\" (a);
                 create index late on \"T t\" (a);
                 update pg_index set indisvalid = false, indisready = false
                  where indexrelid = 'late'::regclass",
            )
            .await
            .unwrap();
        let found = look(&database, Thoroughness::Rows).await;
        assert_eq!(
            reasons(&found),
            BTreeMap::from([
                ("public.A \"b".to_owned(), vec![Reason::Invalid]),
                ("public.late".to_owned(), vec![Reason::Invalid]),
            ]),
            "{major}"
        );
    }
}

/// What amcheck of each major is able to see of each recipe.
#[tokio::test]
async fn what_amcheck_finds() {
    for major in MAJORS {
        for (recipe, from) in [
            (Recipe::MissingEntries, Major::V11),
            (Recipe::DoubleEntries, Major::V17),
            (Recipe::WrongOrder(Order::Reversed), Major::V10),
        ] {
            let database = Database::new(Server::shared(major).unwrap(), "amcheck").unwrap();
            database
                .execute(
                    "create table t (id int primary key, v text);
                     insert into t select g, 'v' || g from generate_series(1, 1000) g;
                     create unique index t_v on t (v)",
                )
                .await
                .unwrap();
            if major > Major::V9_6 {
                database
                    .execute("create schema checks; create extension amcheck schema checks")
                    .await
                    .unwrap();
            }
            Damage::new("t_v", recipe.clone())
                .groups(3)
                .plant(&database.connect().await.unwrap())
                .await
                .unwrap();
            let found = look(&database, Thoroughness::Rows).await;
            let seen = reasons(&found);
            let expected = if major >= from {
                BTreeMap::from([("public.t_v".to_owned(), vec![Reason::Damaged])])
            } else {
                BTreeMap::new()
            };
            assert_eq!(seen, expected, "{major} {recipe:?}");
            let finding = found.findings.iter().any(|one| one.code == "damaged_index");
            assert_eq!(finding, major >= from, "{major} {recipe:?}");
            assert_eq!(found.amcheck.is_installed(), major > Major::V9_6);
            let skipped = look(&database, Thoroughness::Skip).await;
            assert!(reasons(&skipped).is_empty());
            assert_eq!(public(&skipped), 2);
        }
    }
}

/// Without those of TOAST tables.
fn public(health: &Health) -> usize {
    health.indexes.iter().filter(|one| one.index.name.schema.as_str() == "public").count()
}

/// Long values, some of which the index of the TOAST table does not know.
const LONG: &str = "
    create table t (id int primary key, v text); alter table t alter v set storage external;
    insert into t select g, repeat(md5(g::text), 200) from generate_series(1, 50) g;
";

async fn toast_index(database: &Database<'_>) -> String {
    let sql = "select indexrelid::regclass from pg_index \
               where indrelid = (select reltoastrelid from pg_class where oid = 't'::regclass)";
    database.value(sql).await.unwrap().unwrap()
}

async fn damage_toast(database: &Database<'_>) {
    database.execute(LONG).await.unwrap();
    let index = toast_index(database).await;
    let ready = |ready: bool| {
        format!("update pg_index set indisready = {ready} where indexrelid = '{index}'::regclass")
    };
    // New sessions, which have not looked at the index before.
    database.execute(ready(false)).await.unwrap();
    let lost = "insert into t select g, repeat(md5(g::text), 200) from generate_series(51, 60) g";
    database.execute(lost).await.unwrap();
    database.execute(ready(true)).await.unwrap();
}

const VALUES: &str = "select count(*) from t where v = repeat(md5(id::text), 200)";

#[tokio::test]
async fn indexes_of_toast_tables() {
    for major in MAJORS {
        let database = Database::new(Server::shared(major).unwrap(), "toast").unwrap();
        damage_toast(&database).await;
        assert!(database.value(VALUES).await.is_err(), "{major}: the values can be read");
        let index = toast_index(&database).await;
        if major >= Major::V10 {
            database.execute("create extension amcheck").await.unwrap();
        }
        let found = look(&database, Thoroughness::Rows).await;
        let seen = major >= Major::V11;
        let expected = if seen {
            BTreeMap::from([(index.clone(), vec![Reason::Damaged])])
        } else {
            BTreeMap::new()
        };
        assert_eq!(reasons(&found), expected, "{major}");
        let about: Vec<_> =
            found.findings.iter().filter(|one| one.code.starts_with("damaged")).collect();
        // The rows are sound, though they look as if they were not.
        assert_eq!(about.len(), usize::from(seen), "{major}: {about:?}");
        if seen {
            assert!(
                about[0].message.starts_with("it finds the long values of `public.t`: amcheck: "),
                "{about:?}"
            );
        }
        let options = if seen { pghaul::rebuild::RebuildOptions::default() } else { super::all() };
        let rebuilt = super::rebuild(&database, options).await;
        super::assert_all_rebuilt(&rebuilt, &major.to_string());
        assert!(super::ends(&rebuilt).contains_key(&index), "{major}: {:?}", super::ends(&rebuilt));
        assert_eq!(database.value(VALUES).await.unwrap().as_deref(), Some("60"), "{major}");
        assert!(reasons(&look(&database, Thoroughness::Rows).await).is_empty(), "{major}");
    }
}

/// What REINDEX CONCURRENTLY leaves behind beside the index of a TOAST table when it is killed.
#[tokio::test]
async fn leftovers_of_toast_tables() {
    for major in [Major::V13, Major::V18] {
        let database = Database::new(Server::shared(major).unwrap(), "toast_left").unwrap();
        database.execute(LONG).await.unwrap();
        let index = toast_index(&database).await;
        let holder = database.connect().await.unwrap();
        holder.execute("begin isolation level repeatable read; select 1 from t").await.unwrap();
        let other = database.connect().await.unwrap();
        let pid = other.value("select pg_backend_pid()").await.unwrap().unwrap();
        let begun = other.execute(format!("reindex index concurrently {index}"));
        // Its new index is there, and the holder is waited for.
        let waits = format!("select count(*) from pg_locks where pid = {pid} and not granted");
        while database.value(waits.as_str()).await.unwrap().as_deref() == Some("0") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        database.value(format!("select pg_cancel_backend({pid})")).await.unwrap();
        let killed = begun.await.unwrap_err();
        assert_eq!(killed.sqlstate(), Some("57014"), "{major}: {killed}");
        holder.execute("commit").await.unwrap();
        let invalid = "select count(*) from pg_index where not indisvalid";
        assert_eq!(database.value(invalid).await.unwrap().as_deref(), Some("1"), "{major}");
        let rebuilt = super::rebuild(&database, pghaul::rebuild::RebuildOptions::default()).await;
        assert_eq!((rebuilt.dropped.len(), rebuilt.indexes.len()), (1, 0), "{major}: {rebuilt:?}");
        assert!(rebuilt.dropped[0].to_string().starts_with(&format!("{index}_ccnew")));
        assert_eq!(database.value(invalid).await.unwrap().as_deref(), Some("0"), "{major}");
    }
}

/// The owner of a table may not use the schema that its TOAST table is in.
#[tokio::test]
async fn toast_tables_of_who_is_no_superuser() {
    for major in [Major::V11, Major::V18] {
        let server = Server::shared(major).unwrap();
        let database = Database::new(server, "toast_owner").unwrap();
        damage_toast(&database).await;
        let role = Role::create(server, "owner", "").unwrap();
        database
            .execute(format!(
                "create extension amcheck; alter table t owner to {0}; \
                 grant execute on all functions in schema public to {0}",
                role.name
            ))
            .await
            .unwrap();
        let url = database.url_as(&role);
        let rebuilt =
            super::rebuild_as(&url, pghaul::rebuild::RebuildOptions::default()).await.unwrap();
        assert!(rebuilt.indexes.is_empty(), "{major}: {:?}", super::ends(&rebuilt));
        let damaged = rebuilt.findings.iter().find(|one| one.code == "damaged_index").unwrap();
        assert!(damaged.remedy.contains("REINDEX TABLE"), "{damaged:?}");
        let rebuilt = super::rebuild_as(&url, super::all()).await.unwrap();
        super::assert_all_rebuilt(&rebuilt, &major.to_string());
        assert_eq!(super::ends(&rebuilt).keys().collect::<Vec<_>>(), ["public.t_pkey"]);
        let left = rebuilt.findings.iter().find(|one| one.code == "toast_not_rebuilt").unwrap();
        assert!(left.message.ends_with("are left as they are, of `public.t`"), "{left:?}");
    }
}

/// From 18 on; no sound one is taken for damaged.
#[tokio::test]
async fn gin_indexes() {
    for major in [Major::V17, Major::V18] {
        let database = Database::new(Server::shared(major).unwrap(), "gin_types").unwrap();
        every_type::load(&database, &Families::default()).await.unwrap();
        database.execute("create extension if not exists amcheck").await.unwrap();
        let found = look(&database, Thoroughness::Rows).await;
        let gin = found.indexes.iter().filter(|one| one.index.method == "gin");
        assert!(gin.clone().count() > 2);
        assert!(gin.clone().all(|one| !matches!(one.verdict, Verdict::Damaged(_))), "{found:?}");

        let database = Database::new(Server::shared(major).unwrap(), "gin").unwrap();
        database
            .execute(
                "create extension amcheck; create extension pg_trgm; create extension btree_gin;
                 create collation moved (lc_collate = 'C', lc_ctype = 'C');
                 create table words (id int, word text collate moved, tags text[], doc jsonb, n numeric);
                 insert into words select g, (case g % 4 when 0 then 'User' when 1 then 'user' when 2 then 'u-ser' else '_user' end) || g
                      , array['t' || g % 50, null, md5(g::text)], jsonb_build_object('k', g, md5(g::text), array[g % 7, null]), nullif(g % 10, 0)
                   from generate_series(1, 5000) g;
                 insert into words values (0, null, null, null, null), (-1, '', '{}', '{}', 'NaN');
                 create index gin_moved on words using gin (word);
                 create index gin_tags on words using gin (tags, n) with (fastupdate = off);
                 create index gin_doc on words using gin (doc);
                 create index gin_paths on words using gin (doc jsonb_path_ops) where id % 2 = 0;
                 create index gin_trigrams on words using gin (word gin_trgm_ops, tags, n);
                 create index gin_search on words using gin (to_tsvector('simple', word));
                 delete from words where id % 3 = 1; update words set n = n + 1, tags = tags || 'more'::text where id % 5 = 0;
                 insert into words select g, 'w' || g, array[md5(g::text)], '[1, 2]', g from generate_series(10000, 12000) g",
            )
            .await
            .unwrap();
        database.execute("vacuum words").await.unwrap();
        let found = look(&database, Thoroughness::Rows).await;
        assert!(reasons(&found).is_empty(), "{major}: {:?}", reasons(&found));
        let verdicts: BTreeMap<&str, &Verdict> = found
            .indexes
            .iter()
            .filter(|one| one.index.method == "gin")
            .map(|one| (one.index.name.name.as_str(), &one.verdict))
            .collect();
        let looked_at = if major >= Major::V18 { Verdict::Sound } else { Verdict::NotChecked };
        assert!(
            verdicts.len() == 6 && verdicts.values().all(|one| **one == looked_at),
            "{verdicts:?}"
        );
        let note = found.findings.iter().find(|one| one.code == "not_checked_kinds");
        assert_eq!(note.is_some(), major < Major::V18, "{note:?}");

        // Built in another order than it is read in, and no version tells.
        let moved = "update pg_collation set collcollate = 'en_US.UTF-8', collctype = 'en_US.UTF-8' where collname = 'moved'";
        database.execute(moved).await.unwrap();
        let found = look(&database, Thoroughness::Rows).await;
        let damaged: Vec<&str> = found
            .indexes
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Damaged(_)))
            .map(|one| one.index.name.name.as_str())
            .collect();
        if major < Major::V18 {
            assert!(damaged.is_empty(), "{damaged:?}");
            continue;
        }
        assert_eq!(damaged, ["gin_moved"]);
        let rebuilt = super::rebuild(&database, super::named(&["gin_moved"])).await;
        let pghaul::rebuild::IndexEnd::Rebuilt { verdict, .. } = &rebuilt.indexes[0].end else {
            panic!("{rebuilt:?}")
        };
        assert_eq!(verdict, &Verdict::Sound);
    }
}

#[tokio::test]
async fn amcheck_that_the_role_may_not_use() {
    let server = Server::shared(Major::V14).unwrap();
    let database = Database::new(server, "denied").unwrap();
    let role = Role::create(server, "plain", "").unwrap();
    database
        .execute("create extension amcheck; create table t (id int primary key)")
        .await
        .unwrap();
    let found = look_as(&database.url_as(&role), Thoroughness::Rows).await;
    assert!(found.amcheck.is_installed() && !found.amcheck.checks_indexes());
    assert_eq!(found.indexes[0].verdict, Verdict::NotChecked);
    assert!(!found.indexes[0].index.may_rebuild);

    let granted = format!("grant execute on all functions in schema public to {}", role.name);
    database.execute(granted).await.unwrap();
    let found = look_as(&database.url_as(&role), Thoroughness::Rows).await;
    assert!(found.amcheck.checks_indexes() && found.amcheck.checks_tables());
    assert_eq!(found.indexes[0].verdict, Verdict::Sound);
}

#[tokio::test]
async fn only_what_is_wanted() {
    let database = Database::new(Server::shared(Major::V18).unwrap(), "wanted").unwrap();
    database
        .execute("create table a (id int primary key); create table b (id int primary key)")
        .await
        .unwrap();
    let session = endpoint(&database.url()).connect(Purpose::Catalog, "health").await.unwrap();
    let found = health(&session, |index| index.table.name.as_str() == "b", Thoroughness::Skip)
        .await
        .unwrap();
    assert_eq!(found.indexes.len(), 1);
    assert_eq!(found.indexes[0].index.name.to_string(), "public.b_pkey");
}
