-- Follow recommendations as 4.2.0 has them, and its second index of `instances`.

create index index_instances_on_reverse_domain on instances (reverse('.' || domain), domain);

create materialized view global_follow_recommendations as
select account_id, sum(rank) as rank, array_agg(reason) as reason
from (
    select
        account_summaries.account_id,
        count(follows.id) / (1.0 + count(follows.id)) as rank,
        'most_followed'::text as reason
    from follows
    join account_summaries on account_summaries.account_id = follows.target_account_id
    join users on users.account_id = follows.account_id
    where users.current_sign_in_at >= now() - interval '30 days'
        and not account_summaries.sensitive
        and not exists (
            select
            from follow_recommendation_suppressions as suppressions
            where suppressions.account_id = account_summaries.account_id
        )
    group by account_summaries.account_id
    having count(follows.id) >= 5
    union all
    select
        account_summaries.account_id,
        sum(status_stats.reblogs_count + status_stats.favourites_count)
            / (1.0 + sum(status_stats.reblogs_count + status_stats.favourites_count)) as rank,
        'most_interactions'::text as reason
    from status_stats
    join statuses on statuses.id = status_stats.status_id
    join account_summaries on account_summaries.account_id = statuses.account_id
    where statuses.id >= ((date_part('epoch', now() - interval '30 days') * 1000)::bigint << 16)
        and not account_summaries.sensitive
        and not exists (
            select
            from follow_recommendation_suppressions as suppressions
            where suppressions.account_id = account_summaries.account_id
        )
    group by account_summaries.account_id
    having sum(status_stats.reblogs_count + status_stats.favourites_count) >= 5
) as ranked
group by account_id
with no data;

create unique index index_global_follow_recommendations_on_account_id
    on global_follow_recommendations (account_id);
