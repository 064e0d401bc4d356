//! Numbers of rows: those counted here are right after a repair, those that came from elsewhere stay.

use pghaul_testbed::damage::Recipe;
use pghaul_testbed::mastodon::{self, Version};
use pghaul_testbed::{Database, Major};

use super::mastodon::{equal, small};
use super::{Paper, clean, digests, plan_mastodon, repair, under_a_broken_index, undo};

/// What is counted, by plain SQL.
const OF_STATUSES: &str = "(select count(*) from statuses x where x.in_reply_to_id = s.status_id and x.deleted_at is null and x.visibility <> 3), \
                           (select count(*) from statuses x where x.reblog_of_id = s.status_id and x.deleted_at is null), \
                           (select count(*) from favourites x where x.status_id = s.status_id)";
const OF_ACCOUNTS: &str = "(select count(*) from follows x where x.account_id = s.account_id), \
                           (select count(*) from follows x where x.target_account_id = s.account_id), \
                           (select count(*) from statuses x where x.account_id = s.account_id and x.deleted_at is null and x.visibility <> 3)";
const LOCAL: &str = "(select a.domain is null from accounts a where a.id = s.account_id)";

/// Rows whose numbers are wrong: of statuses, of local accounts.
async fn wrong(database: &Database<'_>) -> (i64, i64) {
    let sql = format!(
        "select (select count(*) from status_stats s where (replies_count, reblogs_count, favourites_count) is distinct from ({OF_STATUSES})) \
              , (select count(*) from account_stats s where {LOCAL} \
                    and (following_count, followers_count, statuses_count) is distinct from ({OF_ACCOUNTS}))"
    );
    let rows = database.query_text(sql).await.unwrap();
    let number = |at: usize| rows[0][at].clone().unwrap().parse().unwrap();
    (number(0), number(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn local_numbers_are_counted_and_remote_ones_stay() {
    for (major, version) in [(Major::V9_6, Version::V3_5_3), (Major::V18, Version::V4_2_0)] {
        let database = small(major, version, "numbers");
        let session = database.connect().await.unwrap();
        mastodon::duplicate_statuses(Recipe::DoubleEntries)
            .groups(20)
            .plant(&session)
            .await
            .unwrap();
        mastodon::duplicate_accounts(Recipe::DoubleEntries)
            .groups(10)
            .plant(&session)
            .await
            .unwrap();
        // Right as the tables are now; those of remote accounts are what their servers said.
        database
            .execute(format!(
                "update status_stats s set (replies_count, reblogs_count, favourites_count) = (select {OF_STATUSES});
                 update account_stats s set (following_count, followers_count, statuses_count) = (select {OF_ACCOUNTS}) where {LOCAL};
                 update account_stats s set followers_count = 100000 + id where not {LOCAL}"
            ))
            .await
            .unwrap();
        assert_eq!(wrong(&database).await, (0, 0));
        let before = digests(&database).await;
        let paper = Paper::new();
        let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(
            (planned.counts.groups - planned.counts.collisions, planned.counts.questions),
            (30, 0)
        );
        let plan = std::fs::read_to_string(paper.plan()).unwrap();
        for table in ["status_stats", "account_stats"] {
            let lines = format!("{{\"recount\":\"public.{table}\"");
            assert!(plan.lines().any(|line| line.starts_with(&lines)), "{table}");
        }
        let local = format!(
            "select md5(string_agg(s::text, ',' order by id)) from account_stats s where {LOCAL}"
        );
        let local_before = database.value(&local).await.unwrap();
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.skipped, repaired.asked), (0, 0), "{:?}", repaired.findings);
        clean(&database).await;
        assert_eq!(wrong(&database).await, (0, 0));
        assert_ne!(
            database.value(&local).await.unwrap(),
            local_before,
            "there was nothing to count"
        );
        let kept = format!(
            "select count(*) filter (where followers_count <> 100000 + id) from account_stats s where not {LOCAL}"
        );
        assert_eq!(database.value(kept).await.unwrap().as_deref(), Some("0"));
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// A number that is wrong for other reasons is nobody's business.
#[tokio::test(flavor = "multi_thread")]
async fn other_numbers_stay_as_they_are() {
    let database = small(Major::V14, Version::V4_2_0, "other_numbers");
    let session = database.connect().await.unwrap();
    mastodon::duplicate_statuses(Recipe::MissingEntries).groups(3).plant(&session).await.unwrap();
    database.execute("update status_stats set favourites_count = 7777").await.unwrap();
    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    let all = "select count(*) from status_stats where favourites_count = 7777";
    let number = |text: Option<String>| text.unwrap().parse::<u64>().unwrap();
    let before = number(database.value(all).await.unwrap());
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!(repaired.skipped, 0);
    let left = number(database.value(all).await.unwrap());
    assert!(planned.counts.recounted >= 3);
    let changed = before - left;
    assert!((3..40).contains(&changed) && left > 100, "{left} of {before}");
}

/// Tallies of a poll came from elsewhere: those that were fetched last stay, whichever copy of the post
/// had them.
#[tokio::test(flavor = "multi_thread")]
async fn the_poll_that_was_fetched_last_stays() {
    let database = small(Major::V14, Version::V4_2_0, "polls");
    let session = database.connect().await.unwrap();
    let damage = mastodon::duplicate_statuses(Recipe::DoubleEntries).only("src.deleted_at is null");
    let planted = damage.groups(2).plant(&session).await.unwrap();
    let mut sql = String::new();
    for (at, group) in (1..).zip(&planted.groups) {
        let ids = [group.original.key.clone().unwrap(), group.copies[0].key.clone().unwrap()];
        for (copy, id) in ids.iter().enumerate() {
            // The copy's is newer in the first group, older in the second.
            let fetched = if at == 1 { [1, 2][copy] } else { [10, 5][copy] };
            sql.push_str(&format!(
                "insert into polls (id, account_id, status_id, options, cached_tallies, votes_count, last_fetched_at, created_at, updated_at)
                   select 990000 + {at} * 10 + {copy}, account_id, id, '{{X,Y}}', '{{{fetched},0}}', {fetched}
                        , timestamp '2024-01-01' + interval '1 day' * {fetched}, now(), now() from statuses where id = {id};
                 insert into poll_votes (account_id, poll_id, choice, created_at, updated_at)
                   select a.id, 990000 + {at} * 10 + {copy}, 0, now(), now() from accounts a where a.id > 0 order by a.id limit 3 + {copy};
                 update statuses set poll_id = 990000 + {at} * 10 + {copy} where id = {id};"
            ));
        }
    }
    session.execute(under_a_broken_index(&["index_statuses_on_uri"], &sql)).await.unwrap();
    let before = digests(&database).await;
    let paper = Paper::new();
    plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.asked), (0, 0), "{:?}", repaired.findings);
    clean(&database).await;
    let left = "select string_agg(concat_ws(' ', p.id, p.cached_tallies, s.poll_id = p.id
                                          , (select count(*) from poll_votes v where v.poll_id = p.id)), ',' order by p.id)
                  from polls p join statuses s on s.id = p.status_id where p.id > 990000";
    assert_eq!(
        database.value(left).await.unwrap().as_deref(),
        Some("990011 {2,0} t 4,990020 {10,0} t 4")
    );
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}
