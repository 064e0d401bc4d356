//! What refers to duplicates without a foreign key, or in ways that no other test plants, follows them:
//! arrays in their order, polymorphic columns, plain ones.

use pghaul_testbed::damage::{Planted, Recipe};
use pghaul_testbed::mastodon::{self, Version};
use pghaul_testbed::{Major, Session};

use super::mastodon::{dangling, equal, nothing_dangles_anew, small};
use super::{Paper, clean, digests, plan_mastodon, repair, undo};

/// The ids of each group: the original, its copy.
fn pairs(planted: &Planted) -> Vec<(String, String)> {
    let key = |row: &pghaul_testbed::damage::Copied| row.key.clone().unwrap();
    planted.groups.iter().map(|group| (key(&group.original), key(&group.copies[0]))).collect()
}

/// Whatever can refer to a status or an account refers to one that goes.
async fn refer_to_those_that_go(
    session: &Session,
    statuses: &[(String, String)],
    accounts: &[(String, String)],
) {
    let mut sql = String::from("set enable_indexscan = on;");
    for (at, (stays, goes)) in (1..).zip(statuses) {
        sql.push_str(&format!(
            "update reports set status_ids = array[{goes}, {stays}, {goes}] || status_ids where id = {at};
             update reports set status_ids = status_ids || array[{goes}]::int8[] where id = {at} + 10;
             update account_warnings set status_ids = coalesce(status_ids, '{{}}') || array['{goes}']::varchar[]
              where id = (select id from account_warnings order by id offset {at} limit 1);
             update announcements set status_ids = array[{goes}] where id = {at};
             update account_conversations set status_ids = array[{stays}, {goes}], last_status_id = {goes}
              where id = (select id from account_conversations order by id offset {at} limit 1);
             update admin_action_logs set target_id = {goes}
              where id = (select id from admin_action_logs where target_type = 'Status' order by id offset {at} limit 1);"
        ));
    }
    let others = |ids: &[(String, String)]| {
        ids.iter().flat_map(|(a, b)| [a.as_str(), b.as_str()]).collect::<Vec<_>>().join(", ")
    };
    let (of_statuses, of_accounts) = (others(statuses), others(accounts));
    for (at, (stays, goes)) in (1..).zip(accounts) {
        sql.push_str(&format!(
            "update account_conversations set participant_account_ids = array[{goes}, {stays}]
              where id = (select id from account_conversations order by id desc offset {at} limit 1);
             update admin_action_logs set target_id = {goes}
              where id = (select id from admin_action_logs where target_type = 'Account' order by id offset {at} limit 1);
             update statuses set in_reply_to_account_id = {goes}
              where id = (select id from statuses where id not in ({of_statuses}) and account_id not in ({of_accounts})
                           order by id offset {at} limit 1);
             update accounts set moved_to_account_id = {goes}
              where id = (select id from accounts where id not in ({of_accounts}) and id > 0 order by id offset {at} limit 1);
             insert into account_migrations (id, account_id, acct, followers_count, target_account_id, created_at, updated_at)
               select 990000 + {at}, (select min(id) from accounts where domain is null and id > 0), 'x', 0, {goes}, now(), now();
             update reports set target_account_id = {goes} where id = {at};
             update account_warnings set target_account_id = {goes}
              where id = (select id from account_warnings order by id offset {at} limit 1);"
        ));
    }
    session.execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_foreign_key_says_follows() {
    for (major, version, recipe) in [
        (Major::V9_6, Version::V3_5_3, Recipe::MissingEntries),
        (Major::V18, Version::V4_2_0, Recipe::DoubleEntries),
    ] {
        let database = small(major, version, "loose");
        let session = database.connect().await.unwrap();
        // The lowest status stays, and the account that was changed last.
        let planted = mastodon::duplicate_statuses(recipe.clone()).only("src.deleted_at is null");
        let statuses = pairs(&planted.groups(4).plant(&session).await.unwrap());
        let planted = mastodon::duplicate_accounts(recipe).groups(4).plant(&session).await.unwrap();
        let accounts: Vec<(String, String)> =
            pairs(&planted).into_iter().map(|(original, copy)| (copy, original)).collect();
        refer_to_those_that_go(&session, &statuses, &accounts).await;
        let loose = include_str!("loose.sql");
        let mut map = String::from(
            "create schema probe; create table probe.map (to_table text, goes text, stays text);",
        );
        for (table, pairs) in [("statuses", &statuses), ("accounts", &accounts)] {
            for (stays, goes) in pairs {
                map.push_str(&format!(
                    "insert into probe.map values ('{table}', '{goes}', '{stays}');"
                ));
            }
        }
        session.execute(format!("{map} create table probe.before as {loose}")).await.unwrap();
        let named = "select count(distinct (b.what, m.goes)) from probe.before b join probe.map m on m.to_table = b.to_table and m.goes = any (b.ids)";
        let named: u64 = database.value(named).await.unwrap().unwrap().parse().unwrap();
        assert!(named >= 4 * 13, "{major}: only {named} of those that go are referred to");
        let (before, dangled) = (digests(&database).await, dangling(&database).await);

        let paper = Paper::new();
        let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(
            (planned.counts.groups - planned.counts.collisions, planned.counts.questions),
            (8, 0)
        );
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.skipped, repaired.asked), (0, 0), "{:?}", repaired.findings);
        clean(&database).await;
        nothing_dangles_anew(&database, &dangled).await;
        // Each id replaced, each once, in the order of their first.
        let wrong = format!(
            "with expected as (
                 select b.what, b.id, b.how
                      , array(select x.e
                                from (select coalesce(m.stays, u.e) as e, min(u.place) as place
                                        from unnest(b.ids) with ordinality u (e, place)
                                        left join probe.map m on m.to_table = b.to_table and m.goes = u.e
                                       group by 1) x
                               order by x.place) as ids
                   from probe.before b)
             select e.what, e.id, e.ids::text, n.ids::text
               from expected e join ({loose}) n on n.what = e.what and n.id = e.id
              where case e.how when 'is' then n.ids <> e.ids else not n.ids @> e.ids end
              order by 1, 2"
        );
        let wrong = database.query_text(wrong).await.unwrap();
        assert!(wrong.is_empty(), "{major}: {wrong:#?}");
        let left = format!(
            "select n.what, m.goes from ({loose}) n join probe.map m on m.to_table = n.to_table and m.goes = any (n.ids)"
        );
        let left = database.query_text(left).await.unwrap();
        assert!(left.is_empty(), "{major}: {left:#?}");
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}
