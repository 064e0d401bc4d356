//! Damage on purpose: as much as planned, where planned, and nothing else.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::collections::BTreeSet;

use pghaul_testbed::damage::{self, Children, Damage, Duplicates, Order, Planted, Recipe};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major, Server, Session, locales};

const MAJORS: [Major; 5] = [Major::V9_6, Major::V10, Major::V14, Major::V17, Major::V18];

fn mastodon_on(major: Major, version: Version) -> (Database<'static>, Session) {
    let database = Database::new(Server::shared(major).unwrap(), "damaged").unwrap();
    mastodon::create(&database, Shape { version, statuses: 2000, seed: 5 }).wait().unwrap();
    let session = database.connect().wait().unwrap();
    (database, session)
}

fn recipes() -> [Recipe; 3] {
    [Recipe::MissingEntries, Recipe::DoubleEntries, Recipe::WrongOrder(Order::Reversed)]
}

fn value(session: &Session, sql: &str) -> String {
    session.value(sql).wait().unwrap().unwrap_or_default()
}

/// What `pg_index` says of an index.
fn catalog(session: &Session, index: &str) -> String {
    let sql = format!(
        "select (to_jsonb(i) - 'indcheckxmin')::text || pg_get_indexdef(indexrelid) from pg_index i \
         where indexrelid = '{index}'::regclass"
    );
    value(session, &sql)
}

fn duplicates(session: &Session, index: &str) -> Duplicates {
    damage::duplicates(session, index).wait().unwrap()
}

/// Every unique index of the database that has duplicates.
fn damaged(session: &Session) -> BTreeSet<String> {
    let all = "select indexrelid::regclass::text from pg_index join pg_class on oid = indrelid \
               where indisunique and relnamespace = 'public'::regnamespace and relispopulated";
    let names = session.query_text(all).wait().unwrap().into_iter().flatten().flatten();
    names.filter(|name| duplicates(session, name).groups > 0).collect()
}

/// How many rows have the keys of the groups' originals: as the heap has it, and as the index.
fn rows_of_groups(session: &Session, planted: &Planted, key: &str) -> (usize, usize) {
    let tids: Vec<_> =
        planted.groups.iter().map(|group| format!("'{}'", group.original.tid)).collect();
    let keys = format!(
        "select {key}::text from only {} where ctid = any (array[{}]::tid[])",
        planted.table,
        tids.join(",")
    );
    let off = |heap: bool| {
        let (scans, heap) = (if heap { "off" } else { "on" }, if heap { "on" } else { "off" });
        format!(
            "set enable_indexscan = {scans}; set enable_indexonlyscan = {scans}; \
             set enable_bitmapscan = off; set enable_seqscan = {heap}"
        )
    };
    let keys: Vec<_> =
        session.query_text(keys).wait().unwrap().into_iter().flatten().flatten().collect();
    let count = |heap| {
        session.execute(off(heap)).wait().unwrap();
        let rows = keys.iter().map(|found| {
            let found = found.replace('\'', "''");
            let sql = format!("select count(*) from {} where {key} = '{found}'", planted.table);
            let plan = session.query_text(format!("explain {sql}")).wait().unwrap();
            assert_eq!(format!("{plan:?}").contains("Index"), !heap, "{plan:?}");
            value(session, &sql).parse::<usize>().unwrap()
        });
        rows.sum()
    };
    let counts = (count(true), count(false));
    session.execute("reset all").wait().unwrap();
    counts
}

#[test]
fn each_recipe_plants_what_was_planned_on_every_kind_of_index() {
    let indexes = [
        ("index_conversations_on_uri", "uri"),
        ("index_statuses_on_uri", "uri"),
        ("statuses_pkey", "id"),
        ("index_accounts_on_username_and_domain_lower", ""),
        ("index_tags_on_name_lower_btree", "lower(name)"),
        ("index_users_on_email", "email"),
        ("index_users_on_confirmation_token", "confirmation_token"),
        ("index_custom_emojis_on_shortcode_and_domain", ""),
        ("account_stats_pkey", "id"),
        ("favourites_pkey", "id"),
        ("index_favourites_on_account_id_and_status_id", ""),
        ("statuses_tags_pkey", ""),
    ];
    for major in MAJORS {
        for recipe in recipes() {
            let (_database, session) = mastodon_on(major, Version::V4_2_0);
            let mut expected = BTreeSet::new();
            for (index, key) in indexes {
                let before = catalog(&session, index);
                let groups = 5;
                let extra = if index == "index_conversations_on_uri" { 3 } else { 1 };
                let planted = Damage::new(index, recipe.clone())
                    .groups(groups)
                    .extra(extra)
                    .seed(11)
                    .plant(&session)
                    .wait()
                    .unwrap();
                let what = format!("{recipe:?} of {index} on {major}");
                let extra_rows = groups * extra;
                assert_eq!(planted.extra_rows, extra_rows, "{what}");
                assert_eq!(planted.groups.len(), groups, "{what}");
                assert_eq!(
                    duplicates(&session, index),
                    Duplicates { groups, extra_rows },
                    "{what}"
                );
                assert_eq!(catalog(&session, index), before, "{what}");
                if !key.is_empty() {
                    let (heap, through_index) = rows_of_groups(&session, &planted, key);
                    assert_eq!(heap, groups + extra_rows, "{what}");
                    match recipe {
                        Recipe::MissingEntries => assert_eq!(through_index, groups, "{what}"),
                        Recipe::DoubleEntries => assert_eq!(through_index, heap, "{what}"),
                        Recipe::WrongOrder(_) => {
                            assert!(through_index < heap, "{what}: {through_index}");
                        }
                    }
                }
                expected.insert(index.to_owned());
            }
            assert_eq!(damaged(&session), expected, "{recipe:?} on {major}");
        }
    }
}

/// Foreign keys with orphans, by heap scans.
fn orphans(session: &Session) -> Vec<String> {
    let statements = "select format('select %L where exists (select from only %s c where %s is not null \
         and not exists (select from only %s p where p.%s = c.%s))', conname, conrelid::regclass, \
         quote_ident(c.attname), confrelid::regclass, quote_ident(p.attname), quote_ident(c.attname)) \
         from pg_constraint \
         join pg_attribute c on c.attrelid = conrelid and c.attnum = conkey[1] \
         join pg_attribute p on p.attrelid = confrelid and p.attnum = confkey[1] \
         where contype = 'f' and array_length(conkey, 1) = 1";
    session
        .execute("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off")
        .wait()
        .unwrap();
    let statements = session.query_text(statements).wait().unwrap();
    assert!(statements.len() > 100, "the foreign keys are looked at");
    let found = statements
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|sql| session.query_text(sql).wait().unwrap())
        .flatten()
        .flatten()
        .collect();
    session.execute("reset all").wait().unwrap();
    found
}

#[test]
fn mastodons_duplicates_come_with_all_that_hangs_on_them() {
    for recipe in recipes() {
        let mut seen = Vec::new();
        for major in [Major::V9_6, Major::V18] {
            let (_database, session) = mastodon_on(major, Version::V3_5_3);
            let mut counts = Vec::new();
            let mut indexes = BTreeSet::new();
            for damage in [
                mastodon::duplicate_accounts(recipe.clone()),
                mastodon::duplicate_statuses(recipe.clone()),
                mastodon::duplicate_conversations(recipe.clone()),
            ] {
                let planted = damage.groups(40).extra(2).plant(&session).wait().unwrap();
                assert_eq!(
                    duplicates(&session, &planted.index),
                    Duplicates { groups: 40, extra_rows: 80 },
                    "{recipe:?} of {} on {major}",
                    planted.index
                );
                for children in &planted.children {
                    let keys: Vec<_> = planted
                        .groups
                        .iter()
                        .flat_map(|group| group.copies.iter().chain([&group.original]))
                        .map(|row| row.key.clone().unwrap())
                        .collect();
                    let referring = format!(
                        "select count(*) from {} where {} in ({})",
                        children.table,
                        children.column,
                        keys.join(",")
                    );
                    let referring: usize = value(&session, &referring).parse().unwrap();
                    assert!(children.rows > 0 && referring >= children.rows, "{children:?}");
                }
                counts.push(planted.children);
                indexes.insert(planted.index);
            }
            assert_eq!(damaged(&session), indexes, "{recipe:?} on {major}");
            assert_eq!(orphans(&session), Vec::<String>::new(), "{recipe:?} on {major}");
            seen.push(counts);
        }
        if !matches!(recipe, Recipe::WrongOrder(_)) {
            assert_eq!(seen[0], seen[1], "{recipe:?}");
        }
    }
}

#[test]
fn the_seed_and_the_keys_alone_say_what_is_doubled() {
    let doubled = |session: &Session, seed: u64| -> BTreeSet<String> {
        let planted = Damage::new("index_statuses_on_uri", Recipe::DoubleEntries)
            .groups(30)
            .seed(seed)
            .plant(session)
            .wait()
            .unwrap();
        let uri =
            |tid: &str| value(session, &format!("select uri from statuses where ctid = '{tid}'"));
        planted.groups.iter().map(|group| uri(&group.original.tid)).collect()
    };
    let (_old, old) = mastodon_on(Major::V9_6, Version::V3_5_3);
    let (_new, new) = mastodon_on(Major::V18, Version::V4_2_0);
    let first = doubled(&old, 1);
    assert_eq!(first.len(), 30);
    assert_eq!(first, doubled(&new, 1));
    // Never what is doubled already.
    let next = doubled(&old, 1);
    assert!(next.is_disjoint(&first));
    assert_eq!(duplicates(&old, "index_statuses_on_uri").groups, 60);
    assert_ne!(doubled(&new, 2), next);
}

/// The order of a real collation under an index that says it has C's.
#[test]
fn a_collation_that_changed_lets_duplicates_in() {
    let linguistic = locales().unwrap().linguistic().unwrap();
    for major in [Major::V9_6, Major::V10, Major::V18] {
        let (_database, session) = mastodon_on(major, Version::V4_2_0);
        let order = Order::Locale(linguistic.to_owned());
        for index in ["index_conversations_on_uri", "index_statuses_on_uri"] {
            let before = catalog(&session, index);
            let planted = Damage::new(index, Recipe::WrongOrder(order.clone()))
                .groups(7)
                .plant(&session)
                .wait()
                .unwrap();
            assert_eq!(duplicates(&session, index), Duplicates { groups: 7, extra_rows: 7 });
            assert_eq!(catalog(&session, index), before);
            let (heap, through_index) = rows_of_groups(&session, &planted, "uri");
            assert!(heap == 14 && through_index < 14, "{index} on {major}: {through_index}");
        }
        // In these URLs nothing sorts otherwise.
        let unmoved = Damage::new("index_preview_cards_on_url", Recipe::WrongOrder(order.clone()));
        let refused = unmoved.plant(&session).wait().unwrap_err().to_string();
        assert!(refused.contains("let in only"), "{refused}");
        let refused =
            Damage::new("statuses_pkey", Recipe::WrongOrder(order)).plant(&session).wait();
        assert!(
            refused.unwrap_err().to_string().contains("no key of 'statuses_pkey' has a collation")
        );
        let unknown = Recipe::WrongOrder(Order::Locale("tlh_QO".to_owned()));
        let refused = Damage::new("index_users_on_email", unknown).plant(&session).wait();
        assert!(refused.unwrap_err().to_string().contains("tlh_QO"));
        let left = "select count(*) from pg_collation where collname = 'other'";
        assert_eq!(value(&session, left), "0");
    }
}

/// Postgres' own checker sees of each recipe what it can see of the real damage.
#[test]
fn amcheck_agrees_on_what_is_wrong() {
    let (_database, session) = mastodon_on(Major::V17, Version::V4_2_0);
    session.execute("create extension amcheck").wait().unwrap();
    let check = |index: &str, options: &str| {
        let answer = session.execute(format!("select bt_index_check('{index}'{options})")).wait();
        answer.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let plant = |index: &str, recipe| {
        assert_eq!(check(index, ", true, true"), "");
        Damage::new(index, recipe).plant(&session).wait().unwrap();
    };
    plant("statuses_pkey", Recipe::MissingEntries);
    assert_eq!(check("statuses_pkey", ""), "");
    assert!(check("statuses_pkey", ", true").contains("lacks matching index tuple"));

    plant("index_users_on_email", Recipe::DoubleEntries);
    assert_eq!(check("index_users_on_email", ", true"), "");
    assert!(check("index_users_on_email", ", true, true").contains("uniqueness is violated"));

    plant("index_conversations_on_uri", Recipe::WrongOrder(Order::Reversed));
    assert!(check("index_conversations_on_uri", "").contains("item order invariant violated"));
}

#[test]
fn what_cannot_be_planted_changes_nothing() {
    let (_database, session) = mastodon_on(Major::V14, Version::V4_2_0);
    let before = mastodon::digest(&session).wait().unwrap();
    let refused = |damage: Damage, why: &str| {
        let error = damage.plant(&session).wait().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    for recipe in recipes() {
        refused(
            Damage::new("index_users_on_email", recipe.clone()).groups(100_000),
            "keys can be doubled",
        );
        refused(
            Damage::new("index_users_on_email", recipe.clone()).set("email", "'x'"),
            "the original's email",
        );
        refused(
            Damage::new("index_users_on_account_id", recipe.clone()),
            "not a valid unique index",
        );
        refused(Damage::new("no_such_index", recipe.clone()), "no_such_index");
        let twins = Children::like_the_original("favourites", "status_id");
        refused(Damage::new("statuses_pkey", recipe.clone()).children(twins), "share its value");
        // All accounts but a few have their counters.
        refused(
            Damage::new("account_stats_pkey", recipe).groups(100),
            "rows of accounts have none there yet",
        );
    }
    assert_eq!(mastodon::digest(&session).wait().unwrap(), before);
    assert_eq!(damaged(&session), BTreeSet::new());
    assert_eq!(value(&session, "show session_replication_role"), "origin");
}

#[test]
fn tables_that_are_not_mastodons() {
    let database = Database::new(Server::shared(Major::V18).unwrap(), "awkward").unwrap();
    let session = database.connect().wait().unwrap();
    session
        .execute(
            r#"create schema "S 1";
            create table "S 1"."T ""a" (
                id integer generated always as identity primary key,
                "E mail" varchar(200) not null,
                half numeric generated always as (id / 2.0) stored,
                code char(3),
                copy text,
                constraint "U q" unique nulls not distinct (code, "E mail"),
                tag text not null,
                unique (tag) include (id),
                unique ("E mail") include (id, code)
            );
            create unique index on "S 1"."T ""a" (lower("E mail")) where id % 2 = 0;
            insert into "S 1"."T ""a" ("E mail", code, tag)
            select 'Mail''' || n, case when n % 3 > 0 then n % 7 end, n from generate_series(1, 60) n"#,
        )
        .wait()
        .unwrap();
    for recipe in recipes() {
        let primary_key = r#""S 1"."T ""a_pkey""#;
        for index in [primary_key, r#""S 1"."T ""a_tag_id_key""#] {
            let had = duplicates(&session, index).groups;
            let damage = Damage::new(index, recipe.clone()).groups(4).set("copy", "picked.copy");
            damage.plant(&session).wait().unwrap();
            assert_eq!(duplicates(&session, index).groups, had + 4, "{recipe:?} of {index}");
        }
        // Its "E mail" is unique by itself too.
        let refused = Damage::new(r#""S 1"."U q""#, recipe).groups(1).plant(&session).wait();
        assert!(refused.unwrap_err().to_string().contains("no column can be changed"));
    }
}
