-- Statuses and conversations: a draft of who writes what, then whom it answers, then the rows.

create temporary table draft as
select
    i, b, i % 10 as kind,
    case
        when get_byte(b, 15) % 2 = 0 then 1 + pg_temp.n(b, 0, writers)
        else 1 + pg_temp.n(b, 0, writers) * pg_temp.n(b, 3, writers) / writers
    end as author,
    case
        when i % 10 in (0, 1, 2, 5, 6) then i
        -- back to the nearest status that begins a thread
        when i % 10 in (4, 7) then back - (array[0, 0, 0, 1, 2, 0, 0, 1, 2, 3])[1 + back % 10]
    end as root,
    case
        when i % 10 in (4, 7) then back - (array[0, 0, 0, 1, 2, 0, 0, 1, 2, 3])[1 + back % 10]
        -- an answer of the same ten, or of ten before
        when i % 10 = 9 then least(back, i - 2) / 10 * 10 + (array[4, 7])[1 + get_byte(b, 10) % 2]
        -- never a reblog of a reblog
        when i % 10 in (3, 8) then back / 10 * 10
            + (array[0, 1, 1, 1, 1, 5, 5, 5, 5, 5])[1 + back % 10]
    end as target
from (
    select
        i, b, least(pg_temp.accounts(), pg_temp.accounts() * i / pg_temp.statuses() + 20) as writers,
        i - 1 - pg_temp.n(b, 6, least(i, 3000)) as back
    from (
        select i, pg_temp.bytes('status', i) as b
        from generate_series(0, pg_temp.statuses() - 1) as i
        offset 0
    ) as drawn
    offset 0
) as placed;

analyze draft;

create temporary table post as
select
    draft.i, draft.b, draft.kind::integer as kind, draft.target,
    target.author as target_author,
    -- a tenth answer in four goes to oneself
    case when draft.kind = 9 and get_byte(draft.b, 9) % 4 = 0 then target.author
        else draft.author end as author,
    root.i as root,
    root.author as root_author,
    coalesce(root.kind = 6 and get_byte(root.b, 14) % 3 > 0 and get_byte(root.b, 8) % 6 = 0, false) as direct
from draft
left join draft as target on target.i = draft.target
left join draft as root
    on root.i = case draft.kind when 9 then target.root else draft.root end
order by draft.i;

drop table draft;
analyze post;

insert into conversations (id, uri, created_at, updated_at)
select
    pg_temp.conversation_id(p.i),
    case
        when person.local then null
        when get_byte(p.b, 11) % 4 = 0
            then 'https://' || person.domain || '/contexts/' || md5(person.username || p.i)
        else 'tag:' || person.domain || ','
            || to_char(pg_temp.moment(pg_temp.status_ms(p.i)), 'YYYY-MM-DD')
            || ':objectId=' || p.i || ':objectType=Conversation'
    end,
    pg_temp.moment(pg_temp.status_ms(p.i)),
    pg_temp.moment(pg_temp.status_ms(p.i))
from post as p
join person on person.i = p.author
where p.kind in (0, 1, 2, 5, 6);

-- Threads whose statuses are long gone.
insert into conversations (id, uri, created_at, updated_at)
select
    ten * 7 + k,
    case when (ten + k) % 4 > 0 then 'tag:gone.example,2018-' || (1 + ten % 12) || ':objectId='
        || ten * 2 + k || ':objectType=Conversation' end,
    pg_temp.moment(pg_temp.status_ms(ten * 10)),
    pg_temp.moment(pg_temp.status_ms(ten * 10))
from generate_series(0, (pg_temp.statuses() - 1) / 10) as ten
cross join (values (4), (7)) as gone (k);

insert into statuses (
    id, uri, text, created_at, updated_at, in_reply_to_id, reblog_of_id, url, sensitive, visibility,
    spoiler_text, reply, language, conversation_id, local, account_id, application_id,
    in_reply_to_account_id, poll_id, deleted_at, edited_at, trendable, ordered_media_attachment_ids
)
select
    pg_temp.status_id(i),
    case
        when not local then uri
        -- not recorded in the first years
        when i >= pg_temp.statuses() / 20 then base || '/statuses/' || pg_temp.status_id(i)
    end,
    case
        when kind in (3, 8) then ''
        -- out of line: what compresses, and what does not
        when i % 200 = 95 then repeat(
            '<p>A long thread about sequences, part ' || i || '. </p>', 50 + get_byte(b, 5) * 2
        )
        when i % 500 = 107 then (
            select encode(decode(string_agg(md5(uri || k), '' order by k), 'hex'), 'base64')
            from generate_series(1, 150 + get_byte(b, 5) * 4) as k
        )
        when i % 20 = 1 then (array[
            '\N', '\.', E'\\.\n', E'one\ntwo\r\nthree\ttab', 'C:\new\table\x41\101', '"double" ''single'' `back`',
            '{NULL,"NULL",a\,b}', E'  spaces around  \t', '👩🏽‍🚀 on 🌍 — “curly” … ellipsis', 'é composed, é not',
            'مرحبا بالعالم', '汉字かなカナ한글', E'\001\033[0m\177', 'no' || U&'\00A0' || 'break' || U&'\200B' || 'zero',
            '<p>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;</p>', 'null', '', E'\\\\', E'\b\f\013', '%s %d $1 :name'
        ])[1 + (i / 20) % 20]
        else (array[
            'Good morning! ', '<p>Thinking about ', 'TIL: ', '<p>Reminder: ', 'So, ', '<p>@someone ',
            'New blog post: ', 'Ich meine: ', '今日は ', 'Franchement, ', '🎉 ', '<p>'
        ])[1 + get_byte(b, 5) % 12] || (array[
            'the weather in the mountains', 'how Postgres stores a row', 'trains that come on time',
            'my cat and the keyboard', 'federation, and what it costs', 'bread & butter',
            'old photos from the attic', 'writing tests that can fail'
        ])[1 + get_byte(b, 6) % 8] || (array[
            '.', '…', ' https://news.example/articles/', ' 🦣', ' #caturday', E'\n\nMore below.', '!', '?!'
        ])[1 + get_byte(b, 7) % 8] || ' ' || i || (array[
            '', '', '', '</p>',
            ' I wrote about it at length last year, and most of it still holds; the comments below that post are worth the time, even the angry ones.</p>',
            ' Nobody told me that the hard part would be the calendar: three meetings, two of them about meetings, and one cancelled because of the other two. Anyway, here we are.',
            ' Ich habe dazu vor Jahren schon einmal etwas geschrieben, damals noch auf Papier. Überraschend, wie wenig sich geändert hat: größer, schneller, lauter, aber im Grunde dasselbe.</p>',
            E'\n\n1. measure\n2. change one thing\n3. measure again\n\nThat is all. If it got slower, take it back, write down why, and go for a walk. The walk is not optional.'
        ])[1 + get_byte(b, 3) % 8]
    end,
    created_at,
    created_at + case when get_byte(b, 4) < 10 then interval '2 hours' else interval '0' end,
    case when kind in (4, 7, 9) then pg_temp.status_id(target) end,
    case when kind in (3, 8) then pg_temp.status_id(target) end,
    case when not local and kind not in (3, 8) then 'https://' || domain || '/@' || username || '/' || i end,
    get_byte(b, 4) % 16 = 0,
    case
        when direct then 3
        when kind = 2 and get_byte(b, 8) % 8 = 1 then 2
        when kind = 2 and get_byte(b, 8) = 2 then 4
        when kind in (1, 4, 7) and get_byte(b, 8) % 4 = 1 then 1
        else 0
    end,
    case when get_byte(b, 4) % 16 = 0
        then (array['nsfw', 'food 🍝', 'spoiler: "end"', 'politics', ''])[1 + get_byte(b, 3) % 5] else '' end,
    kind in (4, 7, 9),
    (array['en', 'en', 'de', 'fr', 'ja', 'pt-BR', 'und', null])[1 + get_byte(b, 2) % 8],
    case when kind not in (3, 8) then pg_temp.conversation_id(root) end,
    local,
    pg_temp.account_id(author),
    case when local and get_byte(b, 1) % 4 > 0 then 1 + get_byte(b, 1) % 8 end,
    case when kind in (4, 7, 9) then pg_temp.account_id(target_author) end,
    case when i % 100 = 50 then i / 100 + 1 end,
    case when get_byte(b, 0) < 4 then created_at + interval '30 days' end,
    case when i >= pg_temp.statuses() * 9 / 10 and i % 4 = 1 and kind <> 3
        then created_at + interval '1 hour' end,
    case when get_byte(b, 0) = 77 then true end,
    case
        when i < pg_temp.statuses() * 4 / 5 then null
        when pg_temp.media_count(kind, b) > 0 then (array[
            pg_temp.media_id(i, 0), pg_temp.media_id(i, 1), pg_temp.media_id(i, 2), pg_temp.media_id(i, 3)
        ])[1:pg_temp.media_count(kind, b)]
        else '{}'
    end
from (
    select
        p.*, person.local, person.base, person.username, person.domain,
        case p.i % 3
            when 0 then 'https://' || domain || '/objects/' || md5(username || 'object' || p.i)
            when 1 then base || '/statuses/' || p.i * 1000003 + 100000000000000
            else 'https://' || domain || '/notes/' || to_hex(p.i * 1000033 + 36028797018963968)
        end || case when kind in (3, 8) then '/activity' else '' end as uri,
        pg_temp.moment(pg_temp.status_ms(p.i))
            + get_byte(p.b, 11) * 3907 * interval '1 microsecond' as created_at
    from post as p
    join person on person.i = p.author
    offset 0
) as written;
