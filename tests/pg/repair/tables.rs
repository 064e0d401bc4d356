//! Every table that Mastodon's rules know, and every kind of group that they treat alike or not.

use pghaul_testbed::damage::{Damage, Recipe};
use pghaul_testbed::mastodon::Version;
use pghaul_testbed::{Database, Major};

use super::mastodon::{equal, small};
use super::{Paper, clean, digests, orphans, plan_mastodon, repair, undo};

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

    // What was asked about is still there, so it is taken away by hand before the proof.
    let answers: Vec<String> = questions
        .iter()
        .map(|line| {
            let question: serde_json::Value = serde_json::from_str(line).unwrap();
            let table = question["table"].as_str().unwrap();
            let others: Vec<String> = question["rows"].as_array().unwrap()[1..]
                .iter()
                .map(|row| format!("'{}'", row["ctid"].as_str().unwrap()))
                .collect();
            let column = if table == "public.users" { "email" } else { "code" };
            format!(
                "begin; set local session_replication_role = replica; set local enable_indexscan = off; \
                 update {table} set {column} = md5(ctid::text) where ctid in ({}); commit",
                others.join(", ")
            )
        })
        .collect();
    let in_between = digests(&database).await;
    let _ = in_between;
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
    for answer in answers {
        session
            .execute("drop index if exists index_users_on_email, index_invites_on_code")
            .await
            .unwrap();
        session.execute(answer).await.unwrap();
    }
    let planned = plan_mastodon(&database.url(), &paper.other()).await.unwrap();
    assert_eq!(planned.counts.questions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_index_of_3_5_3() {
    every_index(Major::V9_6, Version::V3_5_3, Recipe::MissingEntries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_index_of_4_2_0() {
    every_index(Major::V18, Version::V4_2_0, Recipe::DoubleEntries).await;
}

/// postgres-facts: winners that refer to losers of other groups, and twins of each other.
#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_refer_to_each_other() {
    for major in [Major::V9_6, Major::V14, Major::V18] {
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
