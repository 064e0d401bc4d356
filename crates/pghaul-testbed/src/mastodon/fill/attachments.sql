-- What hangs on a status: media, polls, tags, cards, edits.

insert into media_attachments (
    id, status_id, file_file_name, file_content_type, file_file_size, file_updated_at, remote_url,
    created_at, updated_at, shortcode, type, file_meta, account_id, description,
    scheduled_status_id, blurhash, processing, file_storage_schema_version, thumbnail_file_name,
    thumbnail_content_type, thumbnail_file_size, thumbnail_updated_at, thumbnail_remote_url
)
select
    pg_temp.media_id(i, k), pg_temp.status_id(i),
    substr(hash, 1, 16) || case type when 0 then '.png' when 4 then '.mp3' else '.mp4' end,
    case type when 0 then 'image/png' when 4 then 'audio/mpeg' else 'video/mp4' end,
    20000 + pg_temp.n(b, 3, 8000000)::integer,
    created_at,
    case when local then '' else 'https://' || domain || '/media/' || hash end,
    created_at, created_at + interval '10 seconds',
    -- public short links are a thing of the first years
    case when local and i < pg_temp.statuses() / 2 then translate(substr(hash, 1, 14), '0189', 'AZ-_') || i end,
    type,
    case when type = 0
        then ('{"original":{"width":' || 640 + get_byte(b, 0) || ', "height":480,"size":"640x480","aspect":1.3333333333333333},'
            || '  "small" : {"width":400,"height":300}, "focus":{"x":-0.25,"y":0.50}}')::json
        when get_byte(b, 1) % 4 > 0
        then '{"length":"0:00:12.34","duration":12.34,"fps":25,"audio_encode":"aac (LC) (mp4a / 0x6134706D)","dup":1,"dup":2}'::json
    end,
    pg_temp.account_id(author),
    case get_byte(b, 1) % 5
        when 0 then null
        when 1 then 'A cat sleeps on a keyboard. On the screen: "hjkl;;;;"'
        when 2 then E'Bildschirmfoto:\nZeile 1\n\tZeile 2 \\ Ende'
        when 3 then '猫の写真 🐈'
        else ''
    end,
    null,
    case when type = 0 then 'U' || substr(hash, 5, 26) || '%#@[]' end,
    case when get_byte(b, 2) = 0 then null else 2 end,
    case when get_byte(b, 2) % 9 > 0 then 1 end,
    case when type = 2 then 'thumb-' || i || '.png' end,
    case when type = 2 then 'image/png' end,
    case when type = 2 then 3000 + get_byte(b, 1) end,
    case when type = 2 then created_at end,
    null
from (
    select
        p.i, p.b, p.author, k, person.local, person.domain,
        (array[0, 0, 0, 0, 0, 1, 2, 2, 3, 4])[1 + (p.i / 10 + k) % 10] as type,
        md5(pg_temp.seed() || 'media' || p.i || ':' || k) as hash,
        pg_temp.moment(pg_temp.status_ms(p.i) - k - 1500) as created_at
    from post as p
    cross join lateral generate_series(0, pg_temp.media_count(p.kind, p.b) - 1) as k
    join person on person.i = p.author
    where p.kind in (1, 5)
    offset 0
) as attached;

insert into scheduled_statuses (id, account_id, scheduled_at, params)
select
    i, pg_temp.account_id(i * 5), timestamp '2022-05-02' + i * interval '1 hour',
    jsonb_build_object(
        'text', 'Later, "' || i || '" \ ' || E'\n', 'media_ids', jsonb_build_array(i, null, i::text),
        'sensitive', i % 2 = 0, 'poll', null, 'nested', '{"b": 1, "a": [1.0, 1.10, 1e2]}'::jsonb
    )
from generate_series(1, 24) as i;

-- Uploads that wait for their status, or never got one.
insert into media_attachments (
    id, file_file_name, file_content_type, file_file_size, created_at, updated_at, account_id,
    scheduled_status_id, file_meta
)
select
    (1651363200000 + i) << 16, 'upload ' || i || '.webp', 'image/webp', 5000 + i,
    timestamp '2022-05-01' + i * interval '1 minute', timestamp '2022-05-01' + i * interval '1 minute',
    pg_temp.account_id(i * 5), case when i % 2 = 0 then i end, '{}'
from generate_series(1, 24) as i;

-- One poll for a hundred statuses, as numbered there.
insert into polls (
    id, account_id, status_id, expires_at, options, cached_tallies, multiple, hide_totals,
    votes_count, last_fetched_at, created_at, updated_at, lock_version, voters_count
)
select
    i / 100 + 1, pg_temp.account_id(author), pg_temp.status_id(i),
    pg_temp.moment(pg_temp.status_ms(i)) + interval '1 day',
    (case i / 100 % 4
        when 0 then '{yes,no}'
        when 1 then '{"tabs\tand spaces","comma, semicolon;","{braces}","\"quotes\""}'
        when 2 then E'{"NULL",NULL,"","back\\\\slash"}'
        else '{🐘,🦣,"both, please"}'
    end)::varchar[],
    case i / 100 % 4 when 0 then '{3,1}' when 3 then '{1,2,1}' else '{2,1,1,0}' end::bigint[],
    i / 100 % 3 = 0, get_byte(b, 4) % 7 = 0, 4,
    case when author % 5 > 0 then pg_temp.moment(pg_temp.status_ms(i)) + interval '1 hour' end,
    pg_temp.moment(pg_temp.status_ms(i)), pg_temp.moment(pg_temp.status_ms(i)) + interval '1 hour',
    get_byte(b, 5) % 4, case when i / 100 % 3 = 0 then 4 end
from post
where i % 100 = 50;

insert into poll_votes (id, account_id, poll_id, choice, created_at, updated_at, uri)
select
    i / 100 * 4 + k + 1, pg_temp.account_id(voter), i / 100 + 1, k % 2,
    pg_temp.moment(pg_temp.status_ms(i) + 60000 * k), pg_temp.moment(pg_temp.status_ms(i) + 60000 * k),
    case when voter % 5 > 0 then 'https://votes.example/' || voter || '#votes/' || i || '/' || k end
from (
    select i, k, 1 + (pg_temp.n(b, 6, pg_temp.accounts()) + k * 7) % pg_temp.accounts() as voter
    from post
    cross join generate_series(0, 3) as k
    where i % 100 = 50
    offset 0
) as cast_votes;

insert into tags (
    id, name, created_at, updated_at, usable, trendable, listable, reviewed_at, requested_review_at,
    last_status_at, max_score, max_score_at
)
select
    i * 2,
    (array['caturday', 'Fediverse', 'introduction', 'été', 'Straße', '日本', 'NowPlaying', 'bücher_'])
        [1 + get_byte(b, 0) % 8] || i,
    pg_temp.moment(pg_temp.account_ms(i)), pg_temp.moment(pg_temp.account_ms(i)) + interval '1 day',
    (array[null, null, true, false])[1 + get_byte(b, 1) % 4],
    (array[null, null, true, false])[1 + get_byte(b, 2) % 4],
    (array[null, null, true, false])[1 + get_byte(b, 3) % 4],
    case when get_byte(b, 4) % 8 = 0 then timestamp '2021-01-01' + i * interval '1 hour' end,
    case when get_byte(b, 4) % 8 = 1 then timestamp '2021-01-01' + i * interval '1 hour' end,
    case when get_byte(b, 5) % 2 = 0 then timestamp '2022-04-01' + i * interval '1 second' end,
    case when get_byte(b, 5) % 2 = 0 then get_byte(b, 6) / 8.0 end,
    case when get_byte(b, 5) % 2 = 0 then timestamp '2022-04-01' + i * interval '1 second' end
from (
    select i, pg_temp.bytes('tag', i) as b
    from generate_series(1, pg_temp.tags()) as i
    offset 0
) as drawn;

insert into statuses_tags (status_id, tag_id)
select pg_temp.status_id(i), 2 * (1 + (first + k * 11) % pg_temp.tags())
from (
    -- a few tags are everywhere
    select
        i, get_byte(b, 14) % 4 as used,
        pg_temp.n(b, 2, pg_temp.tags()) * pg_temp.n(b, 5, pg_temp.tags()) / pg_temp.tags() as first
    from post
    where kind in (0, 1)
    offset 0
) as tagged
cross join lateral generate_series(0, used - 1) as k;

insert into preview_cards (
    id, url, title, description, image_file_name, image_content_type, image_file_size,
    image_updated_at, type, html, author_name, author_url, provider_name, provider_url, width,
    height, created_at, updated_at, embed_url, image_storage_schema_version, blurhash, language,
    max_score, max_score_at, trendable, link_type
)
select
    i,
    case
        -- near the longest that an index takes
        when i % 97 = 1 then 'https://search.example/?q=' || (
            select string_agg(md5(hash || k), '+' order by k) from generate_series(1, 60) as k
        )
        else 'https://' || (array['news', 'Blog', 'video', 'wiki'])[1 + i % 4] || '.example/'
            || substr(hash, 1, 10) || '/Article-' || i || '?ref=a&b=%20#top'
    end,
    (array['A headline', 'Une "première"', '見出し', '']) [1 + get_byte(b, 0) % 4] || ' ' || i,
    (array['', E'Two\nlines', 'It’s a description …'])[1 + get_byte(b, 1) % 3],
    case when get_byte(b, 2) % 2 = 0 then hash || '.jpg' end,
    case when get_byte(b, 2) % 2 = 0 then 'image/jpeg' end,
    case when get_byte(b, 2) % 2 = 0 then 4000 + get_byte(b, 3) * 100 end,
    case when get_byte(b, 2) % 2 = 0 then timestamp '2020-01-01' + i * interval '1 minute' end,
    case when i % 4 = 2 then 2 else 0 end,
    case when i % 4 = 2
        then '<iframe width="480" src="https://video.example/embed/' || i || '" allowfullscreen></iframe>'
        else '' end,
    case when i % 3 = 0 then 'Ana Ñandú' else '' end, '',
    case when i % 2 = 0 then 'The Example Times' else '' end, '', 400, 200 + i::integer % 100,
    timestamp '2020-01-01' + i * interval '1 minute', timestamp '2020-01-02' + i * interval '1 minute',
    '', case when get_byte(b, 2) % 2 = 0 then 1 end,
    case when get_byte(b, 2) % 2 = 0 then 'L' || substr(hash, 1, 20) end,
    (array['en', 'fr', null])[1 + get_byte(b, 4) % 3],
    case when get_byte(b, 5) % 4 = 0 then get_byte(b, 6) / 16.0 end,
    case when get_byte(b, 5) % 4 = 0 then timestamp '2022-04-01' end,
    (array[null, null, true, false])[1 + get_byte(b, 7) % 4],
    case when i % 4 = 2 then null else i % 2 end
from (
    select i, pg_temp.bytes('card', i) as b, md5(pg_temp.seed() || 'card' || i) as hash
    from generate_series(1, pg_temp.cards()) as i
    offset 0
) as drawn;

insert into preview_cards_statuses (preview_card_id, status_id)
select 1 + pg_temp.n(b, 3, pg_temp.cards()), pg_temp.status_id(i)
from post
where kind = 2 and get_byte(b, 13) % 2 = 0;

insert into preview_card_providers (
    id, domain, icon_file_name, icon_content_type, icon_file_size, icon_updated_at, trendable,
    reviewed_at, requested_review_at, created_at, updated_at
)
select
    i, 'provider-' || i || '.example', case when i % 2 = 0 then 'icon.png' end,
    case when i % 2 = 0 then 'image/png' end, case when i % 2 = 0 then 900 + i end,
    case when i % 2 = 0 then timestamp '2022-03-01' end, (array[true, false, null])[1 + i % 3],
    case when i % 3 < 2 then timestamp '2022-03-02' end, case when i % 3 = 2 then timestamp '2022-03-02' end,
    timestamp '2022-02-01' + i * interval '1.5 seconds', timestamp '2022-03-02'
from generate_series(1, 30) as i;

insert into status_edits (
    id, status_id, account_id, text, spoiler_text, created_at, updated_at,
    ordered_media_attachment_ids, media_descriptions, poll_options, sensitive
)
select
    i, pg_temp.status_id(i), case when get_byte(b, 3) % 8 > 0 then pg_temp.account_id(author) end,
    'Befor the edit ' || i || E'\n\\N', '',
    pg_temp.moment(pg_temp.status_ms(i)), pg_temp.moment(pg_temp.status_ms(i) + 3600000),
    case pg_temp.media_count(kind, b)
        when 0 then null
        when 1 then array[pg_temp.media_id(i, 0)]
        else array[pg_temp.media_id(i, 0), pg_temp.media_id(i, 1)]
    end,
    case pg_temp.media_count(kind, b)
        when 0 then null
        when 1 then array[null::text]
        else array[null, 'a "described" image, with {commas}']
    end,
    case when get_byte(b, 4) % 16 = 0 then array['eins', 'zwei', null]::varchar[] end,
    (array[true, false, null])[1 + get_byte(b, 5) % 3]
from post
where i >= pg_temp.statuses() * 9 / 10 and i % 4 = 1 and kind <> 3;
