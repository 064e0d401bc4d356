//! Every table that Mastodon's rules know, and every kind of group that they treat alike or not.

use pghaul_testbed::damage::{Damage, Order, Recipe};
use pghaul_testbed::mastodon::Version;
use pghaul_testbed::{Database, Major};

use super::mastodon::{dangling, equal, facts, nothing_dangles_anew, small};
use super::{Paper, clean, clean_but, digests, majors, orphans, plan_mastodon, repair, undo};

/// Unique indexes that are no primary key: table, index.
async fn indexes(database: &Database<'_>) -> Vec<(String, String)> {
    let rows = database
        .query_text(
            "select indrelid::regclass::text, indexrelid::regclass::text from pg_index i \
             join pg_class c on c.oid = i.indrelid \
             where i.indisunique and not i.indisprimary and c.relkind = 'r' \
               and c.relnamespace = 'public'::regnamespace order by 1, 2",
        )
        .await
        .unwrap();
    rows.into_iter().map(|mut row| (row.remove(0).unwrap(), row.remove(0).unwrap())).collect()
}

/// Asked about, whatever is found.
const ASKED: &[&str] = &["index_users_on_email", "index_invites_on_code"];

/// What stays whatever is merged: media, tags and cards, and what they are on.
async fn not_lost(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let kinds =
        ["attachment", "hashtag", "profile tag", "tag", "card", "card of", "status", "account"];
    let mut facts = facts(database).await;
    facts.retain(|fact| kinds.contains(&fact[0].as_deref().unwrap()));
    assert_eq!(facts.len(), kinds.len());
    facts
}

async fn every_index(major: Major, version: Version, recipe: Recipe) {
    let database = small(major, version, "every_index");
    let session = database.connect().await.unwrap();
    let (mut planted, mut asked) = (0, 0);
    let mut left_out = Vec::new();
    for (table, index) in indexes(&database).await {
        let mut damage = Damage::new(&index, recipe.clone()).groups(2);
        if table == "accounts" {
            damage = damage.only("src.domain is not null");
        }
        match damage.plant(&session).await {
            Ok(_) if ASKED.contains(&index.as_str()) => asked += 2,
            Ok(_) => planted += 2,
            Err(error) => left_out.push(format!("{index}: {error}")),
        }
    }
    // Tables whose other indexes leave no way to make a copy, or with too few rows.
    assert!(left_out.len() < 6, "{left_out:?}");
    assert!(planted > 80, "{planted}");
    let before = digests(&database).await;
    let already: usize = orphans(&database).await.len();
    let (loose, known) = (dangling(&database).await, not_lost(&database).await);

    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let questions: Vec<&str> =
        plan.lines().filter(|line| line.starts_with("{\"question\"")).collect();
    assert_eq!(planned.counts.questions, asked, "{questions:#?}");
    assert_eq!(planned.counts.groups - planned.counts.collisions, planted);
    let tables = planned.findings.iter().filter(|finding| finding.code == "duplicates_asked");
    assert_eq!(tables.count(), ASKED.len(), "{:?}", planned.findings);
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.asked), (0, asked), "{:?}", repaired.findings);
    assert_eq!(orphans(&database).await.len(), already);
    nothing_dangles_anew(&database, &loose).await;
    equal(&known, &not_lost(&database).await);

    clean_but(&database, ASKED).await;
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_index_of_3_5_3() {
    every_index(Major::V9_6, Version::V3_5_3, Recipe::MissingEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_index_of_4_2_0() {
    every_index(Major::V18, Version::V4_2_0, Recipe::DoubleEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_index_in_the_wrong_order() {
    for major in majors(&[Major::V14]) {
        let version = if major < Major::V14 { Version::V3_5_3 } else { Version::V4_2_0 };
        every_index(major, version, Recipe::WrongOrder(Order::Reversed)).await;
    }
}

/// Where Mastodon's own script loses nothing by it, the same row stays as there: which, by SQL.
const STAYS_BY_THE_SCRIPT: &[(&str, &str, &str)] = &[
    ("accounts", "index_accounts_on_username_and_domain_lower", "updated_at desc"),
    ("users", "index_users_on_confirmation_token", "created_at desc"),
    ("users", "index_users_on_reset_password_token", "updated_at desc"),
    (
        "announcement_reactions",
        "index_announcement_reactions_on_account_id_and_announcement_id",
        "id desc",
    ),
    ("conversations", "index_conversations_on_uri", "id desc"),
    ("custom_emojis", "index_custom_emojis_on_shortcode_and_domain", "id desc"),
    ("custom_emoji_categories", "index_custom_emoji_categories_on_name", "id desc"),
    ("domain_allows", "index_domain_allows_on_domain", "id desc"),
    ("domain_blocks", "index_domain_blocks_on_domain", "array_position(array[1, 0, 2], severity)"),
    ("unavailable_domains", "index_unavailable_domains_on_domain", "id desc"),
    ("email_domain_blocks", "index_email_domain_blocks_on_domain", "(parent_id is null) desc"),
    ("preview_cards", "index_preview_cards_on_url", "id desc"),
    ("statuses", "index_statuses_on_uri", "id"),
    ("webauthn_credentials", "index_webauthn_credentials_on_external_id", "id desc"),
    ("webhooks", "index_webhooks_on_url", "id desc"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_row_stays_that_the_script_keeps() {
    let database = small(Major::V18, Version::V4_2_0, "script");
    let session = database.connect().await.unwrap();
    let mut expected: Vec<(String, String)> = Vec::new();
    for (table, index, order) in STAYS_BY_THE_SCRIPT {
        let mut damage = Damage::new(*index, Recipe::DoubleEntries).groups(3).extra(2);
        if *table == "domain_blocks" {
            damage = damage.set("severity", "(src.severity + picked.copy) % 3");
        }
        if *table == "statuses" {
            damage = damage.only("src.deleted_at is null");
        }
        if *table == "accounts" {
            damage = damage.only("src.domain is not null");
        }
        if ["accounts", "users"].contains(table) {
            // The copy in the middle is the newest.
            for column in ["created_at", "updated_at"] {
                let time = format!("src.{column} + interval '1 day' * (picked.copy % 2)");
                damage = damage.set(column, time);
            }
        }
        damage.plant(&session).await.unwrap();
        let keys = "select string_agg(format('t.%I = u.%I', a.attname, a.attname), ' and ') \
                    from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey) \
                    where i.indexrelid = ";
        let keys = match *table {
            "accounts" => {
                "(lower(t.username), lower(t.domain)) = (lower(u.username), lower(u.domain))"
                    .to_owned()
            }
            _ => database.value(format!("{keys}'{index}'::regclass")).await.unwrap().unwrap(),
        };
        let stays = format!(
            "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off; \
             select distinct (select u.ctid::text from {table} u where {keys} order by {order}, id limit 1) from {table} t \
              where (select count(*) from {table} u where {keys}) > 1"
        );
        let rows = session.query_text(stays).await.unwrap();
        assert_eq!(rows.len(), 3, "{table}");
        let named = |row: Vec<Option<String>>| (format!("public.{table}"), row[0].clone().unwrap());
        expected.extend(rows.into_iter().map(named));
    }
    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!(planned.counts.questions, 0, "{:?}", planned.findings);
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let mut kept: Vec<(String, String)> = plan
        .lines()
        .filter(|line| line.starts_with("{\"group\""))
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|group| group["by"][0].as_str().unwrap().starts_with("index_"))
        .map(|group| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&group["table"]), text(&group["keep"]["row"]["ctid"]))
        })
        .collect();
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
}

/// Tables of releases that the testbed's two have not: before 3.5, and after 4.2.
const OTHER_RELEASES: &str = "
create table account_identity_proofs (id bigserial primary key, account_id bigint references accounts on delete cascade
    , provider text not null default '', provider_username text not null default '', verified bool not null default false);
create unique index index_account_proofs_on_account_and_provider_and_username on account_identity_proofs (account_id, provider, provider_username);
create table quotes (id bigserial primary key, account_id bigint not null references accounts on delete cascade
    , status_id bigint not null references statuses on delete cascade, quoted_status_id bigint references statuses on delete set null
    , quoted_account_id bigint references accounts on delete set null, state int not null default 0, activity_uri text);
create unique index index_quotes_on_activity_uri on quotes (activity_uri) where activity_uri is not null;
create unique index index_quotes_on_status_id on quotes (status_id);
create table keypairs (id bigserial primary key, account_id bigint not null references accounts on delete cascade
    , uri text not null, public_key text not null, revoked bool not null default false, updated_at timestamp not null default now());
create unique index index_keypairs_on_uri on keypairs (uri);
create table tagged_objects (id bigserial primary key, status_id bigint not null references statuses on delete cascade
    , object_type text, object_id bigint, uri text);
create unique index index_tagged_objects_on_status_id_and_object on tagged_objects (status_id, object_type, object_id);
create table collections (id bigserial primary key, account_id bigint not null references accounts, tag_id bigint references tags, uri text);
create unique index index_collections_on_uri on collections (uri);
create table collection_items (id bigserial primary key, collection_id bigint not null references collections on delete cascade
    , account_id bigint references accounts, activity_uri text);
create unique index index_collection_items_on_activity_uri on collection_items (activity_uri);
create table notification_requests (id bigserial primary key, account_id bigint not null references accounts on delete cascade
    , from_account_id bigint not null references accounts on delete cascade, last_status_id bigint references statuses on delete set null, notifications_count bigint not null default 0);
create unique index index_notification_requests_on_account_id_and_from_account_id on notification_requests (account_id, from_account_id);
create table fasp_providers (id bigserial primary key, base_url text not null, remote_identifier text not null);
create unique index index_fasp_providers_on_base_url on fasp_providers (base_url);
create table username_blocks (id bigserial primary key, username text not null);
create unique index index_username_blocks_on_username_lower_btree on username_blocks (lower(username));
create table rule_translations (id bigserial primary key, rule_id bigint, language text not null, updated_at timestamp not null default now());
create unique index index_rule_translations_on_rule_id_and_language on rule_translations (rule_id, language);
create table email_subscriptions (id bigserial primary key, account_id bigint not null references accounts on delete cascade, email text not null, updated_at timestamp not null default now());
create unique index index_email_subscriptions_on_account_id_and_email on email_subscriptions (account_id, email);
create table tag_trends (id bigserial primary key, tag_id bigint not null references tags on delete cascade, score float8 not null default 0, language text not null default '');
create unique index index_tag_trends_on_tag_id_and_language on tag_trends (tag_id, language);
create table software_deprecations (id bigserial primary key, version text not null);
create unique index index_software_deprecations_on_version on software_deprecations (version);
alter table keypairs add column local_fragment text;
create unique index index_keypairs_on_account_id_and_local_fragment on keypairs (account_id, local_fragment);
alter table conversations add column parent_status_id bigint, add column parent_account_id bigint;
create unique index index_conversations_on_parent_status_id on conversations (parent_status_id) where parent_status_id is not null;
create unique index index_webauthn_credentials_on_user_id_and_nickname on webauthn_credentials (user_id, nickname);
create unique index index_identities_on_uid_and_provider on identities (uid, provider);
create table relationship_severance_events (id bigserial primary key, type int not null, target_name text not null);
create table severed_relationships (id bigserial primary key, relationship_severance_event_id bigint not null references relationship_severance_events on delete cascade
    , local_account_id bigint not null references accounts on delete cascade, remote_account_id bigint not null references accounts on delete cascade
    , direction int not null, show_reblogs bool, notify bool);
create unique index index_severed_relationships_on_unique_tuples on severed_relationships (relationship_severance_event_id, local_account_id, direction, remote_account_id);
create table follow_recommendation_mutes (id bigserial primary key, account_id bigint not null references accounts on delete cascade, target_account_id bigint not null references accounts on delete cascade);
create unique index idx_on_account_id_target_account_id_a8c8ddf44e on follow_recommendation_mutes (account_id, target_account_id);
insert into relationship_severance_events (type, target_name) values (0, 'gone.example');
insert into severed_relationships (relationship_severance_event_id, local_account_id, remote_account_id, direction)
    select 1, l.id, r.id, 0 from (select id from accounts where domain is null and id > 0 limit 2) l, (select id from accounts where domain is not null) r;
insert into follow_recommendation_mutes (account_id, target_account_id)
    select l.id, r.id from (select id from accounts where domain is null and id > 0 limit 2) l, (select id from accounts where domain is not null) r;
insert into tag_trends (tag_id, language) select id, 'de' from tags limit 20;
insert into software_deprecations (version) select '4.' || g from generate_series(1, 20) g;
update conversations c set parent_status_id = s.id, parent_account_id = s.account_id
  from (select conversation_id, min(id) as id, min(account_id) as account_id from statuses where conversation_id is not null group by 1 limit 30) s
 where s.conversation_id = c.id;
insert into account_identity_proofs (account_id, provider, provider_username) select id, 'keybase', username from accounts limit 20;
insert into quotes (account_id, status_id, quoted_status_id, quoted_account_id, state, activity_uri)
    select account_id, id, in_reply_to_id, in_reply_to_account_id, 1, 'quote:' || id from statuses where in_reply_to_id is not null limit 40;
insert into keypairs (account_id, uri, public_key, local_fragment) select id, 'key:' || id, md5(id::text), 'f' || id from accounts limit 20;
insert into tagged_objects (status_id, object_type, object_id, uri) select id, 'Account', account_id, 'object:' || id from statuses limit 20;
insert into collections (account_id, tag_id, uri) select id, (select min(id) from tags), 'collection:' || id from accounts limit 20;
insert into collection_items (collection_id, account_id, activity_uri) select id, account_id, 'item:' || id from collections;
insert into notification_requests (account_id, from_account_id, last_status_id, notifications_count)
    select a.id, b.id, (select min(id) from statuses), 5 from (select id from accounts limit 5) a, (select id from accounts offset 5 limit 5) b;
insert into fasp_providers (base_url, remote_identifier) select 'https://f' || g, 'r' || g from generate_series(1, 20) g;
insert into username_blocks (username) select 'Name' || g from generate_series(1, 20) g;
insert into rule_translations (rule_id, language) select g, 'de' from generate_series(1, 20) g;
insert into email_subscriptions (account_id, email) select id, 'e' || id from accounts limit 20;
create unique index index_accounts_on_uri_4_7 on accounts (uri) where uri <> ''";

/// Two keys of one name are two keys, and who loses one may be locked out.
const ASKED_ABOUT: &[&str] = &[
    "index_keypairs_on_account_id_and_local_fragment",
    "index_webauthn_credentials_on_user_id_and_nickname",
];

/// By their indexes, and by what they refer to: accounts and statuses that are there twice.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_other_releases() {
    let database = small(Major::V14, Version::V4_2_0, "other_releases");
    database.execute(OTHER_RELEASES).await.unwrap();
    let session = database.connect().await.unwrap();
    let mut planted = 0;
    for index in [
        "index_account_proofs_on_account_and_provider_and_username",
        "index_quotes_on_activity_uri",
        "index_keypairs_on_uri",
        "index_tagged_objects_on_status_id_and_object",
        "index_collections_on_uri",
        "index_collection_items_on_activity_uri",
        "index_notification_requests_on_account_id_and_from_account_id",
        "index_fasp_providers_on_base_url",
        "index_rule_translations_on_rule_id_and_language",
        "index_email_subscriptions_on_account_id_and_email",
        "index_tag_trends_on_tag_id_and_language",
        "index_software_deprecations_on_version",
        "index_conversations_on_parent_status_id",
        "index_identities_on_uid_and_provider",
        "index_username_blocks_on_username_lower_btree",
    ] {
        Damage::new(index, Recipe::DoubleEntries).groups(2).plant(&session).await.unwrap();
        planted += 2;
    }
    let mut asked_about = 0;
    for &index in ASKED_ABOUT {
        Damage::new(index, Recipe::DoubleEntries).groups(2).plant(&session).await.unwrap();
        asked_about += 2;
    }
    let logged = "insert into admin_action_logs (account_id, action, target_type, target_id, created_at, updated_at)
                  select (select min(id) from accounts where domain is null and id > 0), 'create', 'UsernameBlock', id, now(), now() from username_blocks";
    database.execute(logged).await.unwrap();
    // Statuses and accounts whose copies have rows of these tables.
    let quotes = pghaul_testbed::damage::Children::like_others;
    pghaul_testbed::mastodon::duplicate_statuses(Recipe::DoubleEntries)
        .groups(6)
        .children(quotes("quotes", "status_id").at_most(1))
        .children(quotes("quotes", "quoted_status_id"))
        .children(quotes("tagged_objects", "status_id"))
        .plant(&session)
        .await
        .unwrap();
    pghaul_testbed::mastodon::duplicate_accounts(Recipe::DoubleEntries)
        .groups(4)
        .children(quotes("quotes", "quoted_account_id"))
        .children(quotes("keypairs", "account_id"))
        .children(quotes("collections", "account_id"))
        .children(quotes("collection_items", "account_id"))
        .children(quotes("notification_requests", "from_account_id"))
        .children(quotes("severed_relationships", "remote_account_id"))
        .children(quotes("follow_recommendation_mutes", "target_account_id"))
        .plant(&session)
        .await
        .unwrap();
    // Every second copy of an account has another key, and under the index of 4.7 another uri too:
    // nothing shows that it is the same actor.
    planted += 8;
    asked_about += 2;
    Damage::new("index_accounts_on_uri_4_7", Recipe::DoubleEntries)
        .only("src.domain is not null")
        .seed(5)
        .groups(2)
        .plant(&session)
        .await
        .unwrap();
    planted += 2;
    let before = digests(&database).await;
    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let asked: Vec<&str> = plan.lines().filter(|line| line.starts_with("{\"question\"")).collect();
    assert_eq!(planned.counts.groups - planned.counts.collisions, planted, "{asked:#?}");
    assert_eq!(planned.counts.questions, asked_about, "{asked:#?}");
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.asked), (0, asked_about), "{:?}", repaired.findings);
    let damaged = ["index_accounts_on_username_and_domain_lower"].iter().chain(ASKED_ABOUT);
    clean_but(&database, &damaged.copied().collect::<Vec<_>>()).await;
    let dangling = "select count(*) from admin_action_logs where target_type = 'UsernameBlock'
                       and target_id not in (select id from username_blocks)";
    assert_eq!(database.value(dangling).await.unwrap().as_deref(), Some("0"));
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}

/// postgres-facts: winners that refer to losers of other groups, and twins of each other.
#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_refer_to_each_other() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = small(major, Version::V3_5_3, "three_statuses");
        let session = database.connect().await.unwrap();
        let planted = pghaul_testbed::mastodon::duplicate_statuses(Recipe::MissingEntries)
            .groups(6)
            .plant(&session)
            .await
            .unwrap();
        let key = |group: usize, copy: bool| {
            let group = &planted.groups[group];
            let row = if copy { &group.copies[0] } else { &group.original };
            row.key.clone().unwrap()
        };
        // By the tids: the index does not know the copies.
        let tid = |group: usize, copy: bool| {
            let group = &planted.groups[group];
            if copy { group.copies[0].tid.clone() } else { group.original.tid.clone() }
        };
        let mut sql = String::from(
            "set session_replication_role = replica; \
             update pg_index set indisunique = false where indexrelid = 'index_statuses_on_uri'::regclass;",
        );
        let mut set = |(group, copy): (usize, bool), column: &str, to: (usize, bool)| {
            sql.push_str(&format!(
                "update statuses set {column} = {} where ctid = '{}';",
                key(to.0, to.1),
                tid(group, copy)
            ));
        };
        set((0, false), "in_reply_to_id", (1, true)); // a winner replies to a loser
        set((2, false), "reblog_of_id", (3, true)); // a winner is a reblog of a loser
        set((4, true), "reblog_of_id", (4, false)); // a reblog of its own twin
        set((5, false), "in_reply_to_id", (5, true)); // a reply to its own twin
        set((1, true), "in_reply_to_id", (3, true)); // a chain through losers
        sql.push_str("update pg_index set indisunique = true where indexrelid = 'index_statuses_on_uri'::regclass; \
                      set session_replication_role = origin");
        session.execute(sql).await.unwrap();
        let before = digests(&database).await;
        let paper = Paper::new();
        let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(planned.counts.questions, 0);
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
        clean(&database).await;
        let stays: Vec<String> = (0..6).map(|group| key(group, false)).collect();
        let rows = session
            .query_text(format!("select count(*) from statuses where id in ({})", stays.join(", ")))
            .await
            .unwrap();
        assert_eq!(rows[0][0].as_deref(), Some("6"), "a row that should stay is gone");
        let value = |column: &str, group: usize| {
            let sql = format!("select {column} from statuses where id = {}", key(group, false));
            session.value(sql)
        };
        assert_eq!(value("in_reply_to_id", 0).await.unwrap(), Some(key(1, false)));
        assert_eq!(value("reblog_of_id", 2).await.unwrap(), Some(key(3, false)));
        assert_eq!(value("in_reply_to_id", 5).await.unwrap(), None);
        let itself = "select count(*) from statuses where id in (in_reply_to_id, reblog_of_id)";
        assert_eq!(session.value(itself).await.unwrap().as_deref(), Some("0"));
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// A duplicate that follows its twin would follow itself: the row goes, with what refers to it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_to_follow_himself() {
    let database = small(Major::V14, Version::V4_2_0, "self_follow");
    let session = database.connect().await.unwrap();
    let planted = pghaul_testbed::mastodon::duplicate_accounts(Recipe::MissingEntries)
        .groups(3)
        .plant(&session)
        .await
        .unwrap();
    let group = &planted.groups[0];
    let (original, copy) =
        (group.original.key.clone().unwrap(), group.copies[0].key.clone().unwrap());
    session
        .execute(format!(
            "insert into follows (id, created_at, updated_at, account_id, target_account_id)
                 values (900001, now(), now(), {copy}, {original});
             insert into list_accounts (id, list_id, account_id, follow_id)
                 select 900002, (select min(id) from lists), {original}, 900001;
             insert into notifications (id, activity_id, activity_type, created_at, updated_at, account_id, from_account_id, type)
                 values (900003, 900001, 'Follow', now(), now(), {original}, {copy}, 'follow')"
        ))
        .await
        .unwrap();
    let before = digests(&database).await;
    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!(planned.counts.questions, 0);
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
    clean(&database).await;
    let left = "select (select count(*) from follows where id = 900001 or account_id = target_account_id) \
                     , (select count(*) from list_accounts where id = 900002) \
                     , (select count(*) from notifications where id = 900003)";
    let rows = session.query_text(left).await.unwrap();
    assert_eq!(rows[0], ["0", "0", "0"].map(|zero| Some(zero.to_owned())));
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}
