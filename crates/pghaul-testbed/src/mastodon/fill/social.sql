-- Between accounts: follows, blocks, lists, notes; and the counters of accounts.

insert into follows (id, created_at, updated_at, account_id, target_account_id, show_reblogs, uri, notify)
select
    i * 16 + k + 1, moment, moment, pg_temp.account_id(i), pg_temp.account_id(target), k <> 5,
    case when i % 5 > 0 then 'https://follows.example/' || i || '/' || k end, k = 3
from (
    select
        i, k, 1 + (i + k * 7 + far) % pg_temp.accounts() as target,
        pg_temp.moment(pg_temp.account_ms(i) + k * 86400000) as moment
    from (
        select
            i, get_byte(b, 0) % 16 as many,
            -- never oneself: at most accounts - 1 steps away, over all k
            pg_temp.n(b, 1, pg_temp.accounts() - 113) as far
        from (
            select i, pg_temp.bytes('follow', i) as b
            from generate_series(1, pg_temp.accounts()) as i
            offset 0
        ) as drawn
        offset 0
    ) as following
    cross join lateral generate_series(0, many - 1) as k
    offset 0
) as followed;

create temporary table stranger as
select
    i, pg_temp.account_id(i) as id,
    pg_temp.account_id(1 + (i + 1 + pg_temp.n(b, 0, pg_temp.accounts() - 2)) % pg_temp.accounts()) as other_id,
    pg_temp.moment(pg_temp.account_ms(i)) + interval '20 days' as moment
from (
    select i, pg_temp.bytes('stranger', i) as b
    from generate_series(1, pg_temp.accounts()) as i
    offset 0
) as drawn;

insert into follow_requests (id, created_at, updated_at, account_id, target_account_id, show_reblogs, uri, notify)
select i, moment, moment, id, other_id, i % 3 > 0, case when i % 2 = 0 then 'https://requests.example/' || i end, false
from stranger
where i % 4 = 1;

insert into blocks (id, created_at, updated_at, account_id, target_account_id, uri)
select i, moment, moment, id, other_id, case when i % 2 = 0 then 'https://blocks.example/' || i end
from stranger
where i % 5 < 2;

insert into mutes (id, created_at, updated_at, hide_notifications, account_id, target_account_id, expires_at)
select i, moment, moment, i % 3 > 0, id, other_id, case when i % 2 = 0 then moment + interval '1 day' end
from stranger
where i % 5 = 0;

insert into account_domain_blocks (id, domain, created_at, updated_at, account_id)
select i, 'blocked-' || i % 9 || '.example', moment, moment, case when i % 40 > 0 then id end
from stranger
where i % 10 = 0;

insert into account_notes (id, account_id, target_account_id, comment, created_at, updated_at)
select i, id, other_id, (array['met at FOSDEM', E'two\nlines', '🤔', ''])[1 + i % 4], moment, moment
from stranger
where i % 5 = 0;

insert into account_pins (id, account_id, target_account_id, created_at, updated_at)
select i, id, other_id, moment, moment
from stranger
where i % 5 = 0;

insert into account_aliases (id, account_id, acct, uri, created_at, updated_at)
select i, id, 'old_' || i || '@elsewhere.example', 'https://elsewhere.example/users/old_' || i, moment, moment
from stranger
where i % 10 = 5;

insert into account_migrations (id, account_id, acct, followers_count, target_account_id, created_at, updated_at)
select i, id, 'new_' || i || '@elsewhere.example', i * 3, case when i % 3 > 0 then other_id end, moment, moment
from stranger
where i % 10 = 5;

insert into account_deletion_requests (id, account_id, created_at, updated_at)
select i, id, moment, moment
from stranger
where i % 15 = 0;

insert into account_statuses_cleanup_policies (id, account_id, enabled, min_favs, created_at, updated_at)
select i, id, i % 2 = 0, case when i % 4 = 1 then 5 end, moment + i * interval '3 microseconds', moment
from stranger
where i % 10 = 0;

insert into follow_recommendation_suppressions (id, account_id, created_at, updated_at)
select i, id, moment, moment
from stranger
where i % 12 = 7;

insert into canonical_email_blocks (id, canonical_email_hash, reference_account_id, created_at, updated_at)
select i, md5('canonical' || i) || md5(i || 'email'), id, moment, moment
from stranger
where i % 10 = 9;

insert into tombstones (id, account_id, uri, created_at, updated_at, by_moderator)
select
    i, case when i % 20 > 0 then id end, 'https://gone.example/statuses/' || i / 2, moment, moment,
    (array[true, false, null])[1 + i % 3]
from stranger
where i % 3 = 0;

insert into lists (id, account_id, title, created_at, updated_at, replies_policy)
select i / 5, id, (array['Friends', 'Поэты', 'a "list"', ''])[1 + i % 4], moment, moment, i % 3
from stranger
where i % 5 = 0;

insert into list_accounts (id, list_id, account_id, follow_id)
select row_number() over (order by follows.id), lists.id, follows.target_account_id, follows.id
from lists
join follows on follows.account_id = lists.account_id;

insert into accounts_tags (account_id, tag_id)
select pg_temp.account_id(i), 2 * (1 + (i * 13 + k * 17) % pg_temp.tags())
from generate_series(1, pg_temp.accounts()) as i
cross join generate_series(0, 1) as k
where i % 5 = 0;

insert into featured_tags (id, account_id, tag_id, statuses_count, last_status_at, created_at, updated_at)
select
    i, id, 2 * (1 + i % pg_temp.tags()), i % 40, case when i % 2 = 0 then moment end, moment, moment
from stranger
where i % 10 = 5;

drop table stranger;

-- Not for everybody: an account that never did anything has none.
insert into account_stats (
    id, account_id, statuses_count, following_count, followers_count, created_at, updated_at, last_status_at
)
select
    i, pg_temp.account_id(i), coalesce(written.n, 0), coalesce(following.n, 0), coalesce(followers.n, 0),
    pg_temp.moment(pg_temp.account_ms(i)), timestamp '2022-04-30', pg_temp.moment(pg_temp.status_ms(written.last))
from generate_series(1, pg_temp.accounts()) as i
left join (select author, count(*) as n, max(i) as last from post group by author) as written on author = i
left join (select account_id, count(*) as n from follows group by 1) as following
    on following.account_id = pg_temp.account_id(i)
left join (select target_account_id, count(*) as n from follows group by 1) as followers
    on followers.target_account_id = pg_temp.account_id(i)
where i % 10 <> 9;
