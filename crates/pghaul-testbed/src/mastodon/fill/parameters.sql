-- The arithmetic of the fill: from the settings `mastodon.statuses` and `mastodon.seed`, and from
-- nothing else, so that every server of every major makes the same rows.
--
-- Invariants: no random(), no now(), no hash function of the server (hashtext differs between
-- majors), no order by text (collations differ). Each function is one expression that uses an
-- argument twice only where callers give a column, so that the planner inlines it: a call of an
-- SQL function costs more than the row.

create function pg_temp.seed() returns text
    language sql immutable as $$ select current_setting('mastodon.seed') $$;

create function pg_temp.statuses() returns bigint
    language sql immutable as $$ select current_setting('mastodon.statuses')::bigint $$;

create function pg_temp.accounts() returns bigint
    language sql immutable as $$ select pg_temp.statuses() / 20 + 120 $$;

create function pg_temp.tags() returns bigint
    language sql immutable as $$ select pg_temp.statuses() / 200 + 60 $$;

create function pg_temp.cards() returns bigint
    language sql immutable as $$ select pg_temp.statuses() / 20 + 30 $$;

-- 16 bytes of entropy for row `i` of `what`; computed once in a subquery with `offset 0`.
create function pg_temp.bytes(what text, i bigint) returns bytea
    language sql immutable as $$
    select decode(md5(pg_temp.seed() || what || i::text), 'hex')
$$;

-- A number from 0 to below - 1, from three bytes.
create function pg_temp.n(b bytea, at integer, below bigint) returns bigint
    language sql immutable as $$
    select (
        (get_byte(b, at) * 65536 + get_byte(b, at + 1) * 256 + get_byte(b, at + 2))::bigint * below
    ) >> 24
$$;

create function pg_temp.moment(milliseconds bigint) returns timestamp
    language sql immutable as $$
    select timestamp '1970-01-01' + milliseconds::double precision * interval '1 millisecond'
$$;

-- Accounts (from 1) and statuses (from 0) arrive evenly from 2017-04-01 to 2022-05-01.
create function pg_temp.account_ms(i bigint) returns bigint
    language sql immutable as $$
    select 1491004800000 + i * (160358400000 / (pg_temp.accounts() + 1))
$$;

create function pg_temp.status_ms(i bigint) returns bigint
    language sql immutable as $$
    select 1491004800000 + i * (160358400000 / (pg_temp.statuses() + 1))
$$;

-- Serials with gaps until the switch, then snowflakes: accounts in March 2021, statuses in
-- September 2017, media in June 2020.
create function pg_temp.account_id(i bigint) returns bigint
    language sql immutable as $$
    select case
        when i <= pg_temp.accounts() * 3 / 4 then i * 5 / 4
        else (pg_temp.account_ms(i) << 16) | ((i * 40503) & 65535)
    end
$$;

create function pg_temp.status_id(i bigint) returns bigint
    language sql immutable as $$
    select case
        when i < pg_temp.statuses() / 10 then i * 9 / 8 + 1
        else (pg_temp.status_ms(i) << 16) | ((i * 30011) & 65535)
    end
$$;

create function pg_temp.media_id(i bigint, k bigint) returns bigint
    language sql immutable as $$
    select case
        when i < pg_temp.statuses() * 2 / 3 then i * 4 + k
        else ((pg_temp.status_ms(i) - k) << 16) | ((i * 20011 + k) & 65535)
    end
$$;

-- The last decimal digit of a status says what it is: 0 1 2 5 6 begin a thread, 4 7 answer such
-- a beginning, 9 answers a 4 or 7, 3 and 8 are reblogs. Seven conversations for ten statuses;
-- two of them have lost their statuses.
create function pg_temp.conversation_id(root bigint) returns bigint
    language sql immutable as $$
    select root / 10 * 7 + case root % 10 when 0 then 1 when 1 then 2 when 2 then 3 when 5 then 5 else 6 end
$$;

create function pg_temp.media_count(kind integer, b bytea) returns integer
    language sql immutable as $$
    select case kind when 1 then get_byte(b, 12) % 3 when 5 then get_byte(b, 12) % 5 else 0 end
$$;

create function pg_temp.favourite_count(kind integer, b bytea) returns integer
    language sql immutable as $$
    select case
        when kind in (3, 8) then 0
        when get_byte(b, 13) = 0 then 16
        else (array[0, 0, 1, 1, 1, 2, 3, 5])[1 + get_byte(b, 13) % 8]
    end
$$;

create function pg_temp.mention_count(kind integer, b bytea) returns integer
    language sql immutable as $$
    select case when kind in (2, 6) then get_byte(b, 14) % 3 else 0 end
$$;

-- Joins by hash alone keep the order of the generated rows, so the heap is in order of ids.
set work_mem = '64MB';
set enable_mergejoin = off;
set synchronous_commit = off;
