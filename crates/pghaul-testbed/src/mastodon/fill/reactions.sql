-- Mentions, favourites, bookmarks, pins, mutes of conversations, and the counters over them.

-- An answer mentions whom it answers, and a second-level one the beginner of the thread too.
insert into mentions (id, status_id, created_at, updated_at, account_id, silent)
select
    i * 3 + k + 1, pg_temp.status_id(i), pg_temp.moment(pg_temp.status_ms(i)),
    pg_temp.moment(pg_temp.status_ms(i)), pg_temp.account_id(mentioned), get_byte(b, 2) % 16 = 0
from (
    select i, b, 0 as k, target_author as mentioned
    from post
    where kind in (4, 7, 9)
    union all
    select i, b, 1, root_author
    from post
    where kind = 9 and root_author <> target_author
    union all
    select i, b, k, 1 + (pg_temp.n(b, 3, pg_temp.accounts()) + k * 7) % pg_temp.accounts()
    from (
        select i, b, pg_temp.mention_count(kind, b) as many
        from post
        where kind in (2, 6)
        offset 0
    ) as mentioning
    cross join lateral generate_series(0, many - 1) as k
    offset 0
) as drawn;

insert into favourites (id, created_at, updated_at, account_id, status_id)
select
    i * 16 + k + 1, pg_temp.moment(pg_temp.status_ms(i) + 30000 + k * 71234),
    pg_temp.moment(pg_temp.status_ms(i) + 30000 + k * 71234),
    pg_temp.account_id(fan), pg_temp.status_id(i)
from (
    select i, k, 1 + (first + k * 7) % pg_temp.accounts() as fan
    from (
        select i, pg_temp.favourite_count(kind, b) as many, pg_temp.n(b, 6, pg_temp.accounts()) as first
        from post
        offset 0
    ) as favoured
    cross join lateral generate_series(0, many - 1) as k
    offset 0
) as drawn;

-- Local accounts are the multiples of five.
insert into bookmarks (id, account_id, status_id, created_at, updated_at)
select
    i, pg_temp.account_id(reader), pg_temp.status_id(i),
    pg_temp.moment(pg_temp.status_ms(i) + 86400000), pg_temp.moment(pg_temp.status_ms(i) + 86400000)
from (
    select i, 5 * (1 + pg_temp.n(b, 3, pg_temp.accounts() / 5)) as reader
    from post
    where kind in (1, 4) and get_byte(b, 2) % 4 = 0
    offset 0
) as drawn;

insert into status_pins (id, account_id, status_id, created_at, updated_at)
select
    i / 10 + 1, pg_temp.account_id(author), pg_temp.status_id(i),
    pg_temp.moment(pg_temp.status_ms(i) + 5000), pg_temp.moment(pg_temp.status_ms(i) + 5000)
from post
where kind = 0 and get_byte(b, 14) % 32 = 0;

insert into conversation_mutes (id, conversation_id, account_id)
select i / 10 + 1, pg_temp.conversation_id(i), pg_temp.account_id(reader)
from (
    select i, 5 * (1 + pg_temp.n(b, 6, pg_temp.accounts() / 5)) as reader
    from post
    where kind = 5 and get_byte(b, 14) % 16 = 0
    offset 0
) as drawn;

-- Direct messages, seen from each local side.
insert into account_conversations (
    id, account_id, conversation_id, participant_account_ids, status_ids, last_status_id,
    lock_version, unread
)
select
    i * 2 + side, pg_temp.account_id(owner), pg_temp.conversation_id(i),
    array[pg_temp.account_id(other)], status_ids, status_ids[array_upper(status_ids, 1)],
    array_upper(status_ids, 1) - 1, get_byte(b, 3) % 2 = 0
from (
    select
        i, b, side, status_ids,
        case side when 0 then author else mentioned end as owner,
        case side when 0 then mentioned else author end as other
    from (
        select
            i, b, author,
            1 + pg_temp.n(b, 3, pg_temp.accounts()) % pg_temp.accounts() as mentioned,
            thread.status_ids
        from post
        join (
            select root, array_agg(pg_temp.status_id(i) order by i) as status_ids
            from post
            where direct
            group by root
        ) as thread on thread.root = post.i
        where post.direct
        offset 0
    ) as direct
    cross join (values (0), (1)) as sides (side)
    where author <> mentioned
    offset 0
) as sided
where owner % 5 = 0;

-- True counts, for half of the statuses.
insert into status_stats (
    id, status_id, replies_count, reblogs_count, favourites_count, created_at, updated_at
)
select
    i + 1, pg_temp.status_id(i), coalesce(replies, 0), coalesce(reblogs, 0),
    pg_temp.favourite_count(kind, b), pg_temp.moment(pg_temp.status_ms(i) + 1000),
    pg_temp.moment(pg_temp.status_ms(i) + 2000)
from post
left join (
    select
        target, count(*) filter (where kind in (4, 7, 9)) as replies,
        count(*) filter (where kind in (3, 8)) as reblogs
    from post
    where target is not null
    group by target
) as answers on answers.target = post.i
where kind in (0, 1, 2, 4, 5);
