-- Accounts. Every fifth is local; -99 is the instance actor.

create temporary table person as
select
    i, pg_temp.account_id(i) as id, b, i % 5 = 0 as local, username,
    case when i % 5 = 0 then 'mastodon.example' else domain end as domain,
    'https://' || case when i % 5 = 0 then 'mastodon.example' else domain end
        || '/users/' || username as base
from (
    select
        i, b,
        (array[
            'alice', 'Bob', 'carol_d', 'dave', 'EVE', 'frank', 'grace_hopper', 'heidi',
            'ivan', 'judy', 'mallory', 'niaj', 'olivia', 'peggy', 'R2D2', 'sybil'
        ])[1 + get_byte(b, 6) % 16] || '_' || i as username,
        (array['mastodon-', 'social', 'fedi.node', 'xn--bcher-kva', 'm', 'pleroma-'])[1 + k % 6]
            || k || (array['.example', '.test', '.example'])[1 + k % 3] as domain
    from (
        select
            i, b,
            -- a few large servers, many small ones
            (pg_temp.n(b, 0, servers) * pg_temp.n(b, 3, servers) / servers)::integer as k
        from (
            select i, pg_temp.bytes('account', i) as b, pg_temp.accounts() / 40 + 12 as servers
            from generate_series(1, pg_temp.accounts()) as i
            offset 0
        ) as drawn
        offset 0
    ) as placed
) as named;

analyze person;

insert into accounts (
    id, username, domain, private_key, public_key, created_at, updated_at, note, display_name,
    uri, url, avatar_file_name, avatar_content_type, avatar_file_size, avatar_updated_at,
    header_file_name, header_content_type, header_file_size, header_updated_at, avatar_remote_url,
    locked, header_remote_url, last_webfingered_at, inbox_url, outbox_url, shared_inbox_url,
    followers_url, protocol, memorial, moved_to_account_id, featured_collection_url, fields,
    actor_type, discoverable, also_known_as, silenced_at, suspended_at, hide_collections,
    avatar_storage_schema_version, header_storage_schema_version, devices_url, suspension_origin,
    sensitized_at, trendable, reviewed_at, requested_review_at
)
select
    id, username, case when not local then domain end,
    case when local then replace(E'-----BEGIN RSA ? KEY-----\n', '?', 'PRIVATE') || (
        select encode(decode(string_agg(md5(base || 'private' || k), '' order by k), 'hex'), 'base64')
        from generate_series(1, 74) as k
    ) || replace(E'\n-----END RSA ? KEY-----\n', '?', 'PRIVATE') end,
    E'-----BEGIN PUBLIC KEY-----\n' || (
        select encode(decode(string_agg(md5(base || 'public' || k), '' order by k), 'hex'), 'base64')
        from generate_series(1, 18) as k
    ) || E'\n-----END PUBLIC KEY-----\n',
    created_at,
    created_at + pg_temp.n(b, 6, 40000000) * interval '1 second',
    (array[
        '', '<p>Cat person. Opinions are my own.</p>', E'Plain text,\nin two lines\tand a tab',
        '<p>🦣 she/they · café ☕ in Zürich</p>', '"quoted" \ backslash', '日本語のプロフィール',
        '<p>Links: <a href="https://example.org/?a=1&amp;b=2">here</a></p>', '{not,an,array}'
    ])[1 + get_byte(b, 7) % 8],
    (array[
        username, '', 'Alice 🐘', 'Ünïcödé Nämé', 'علي', 'tab' || E'\t' || 'bed', '名前',
        'O''Neil "Zoë"', '👩‍👩‍👧‍👦', '\N'
    ])[1 + get_byte(b, 8) % 10],
    case when local then '' else base end,
    case when not local then 'https://' || domain || '/@' || username end,
    case when get_byte(b, 9) % 3 > 0 then md5(base) || '.png' end,
    case when get_byte(b, 9) % 3 > 0 then 'image/png' end,
    case when get_byte(b, 9) % 3 > 0 then 1000 + pg_temp.n(b, 10, 400000)::integer end,
    case when get_byte(b, 9) % 3 > 0 then created_at + interval '3 minutes' end,
    case when get_byte(b, 10) % 3 = 0 then md5(base || 'header') || '.jpg' end,
    case when get_byte(b, 10) % 3 = 0 then 'image/jpeg' end,
    case when get_byte(b, 10) % 3 = 0 then 9000 + pg_temp.n(b, 11, 900000)::integer end,
    case when get_byte(b, 10) % 3 = 0 then created_at + interval '5 minutes' end,
    case when not local then 'https://' || domain || '/avatars/' || i || '.png' end,
    get_byte(b, 11) % 9 = 0,
    case when not local and get_byte(b, 10) % 3 = 0
        then 'https://' || domain || '/headers/' || i || '.jpg' else '' end,
    case when not local then created_at + pg_temp.n(b, 9, 30000000) * interval '1 second' end,
    case when local then '' else base || '/inbox' end,
    case when local then '' else base || '/outbox' end,
    case when local then '' else 'https://' || domain || '/inbox' end,
    case when local then '' else base || '/followers' end,
    case when local then 0 else 1 end,
    get_byte(b, 12) = 1,
    case when i % 61 = 4 then pg_temp.account_id(i - 3) end,
    case when not local then base || '/collections/featured' end,
    case get_byte(b, 13) % 4
        when 0 then '[]'::jsonb
        when 1 then ('[{"name": "Pronouns", "value": "they/them"}, {"name": "Web \"site\"", "value": "<a href=\"'
            || base || '\">\\o/</a>", "verified_at": null}]')::jsonb
        when 2 then jsonb_build_array(jsonb_build_object('name', 'n', 'value', i, 'f', 1.50))
    end,
    (array['Person', 'Person', 'Service', 'Group', null])[1 + get_byte(b, 14) % 5],
    (array[true, true, false, null])[1 + get_byte(b, 15) % 4],
    case get_byte(b, 6) % 8
        when 0 then '{}'
        when 1 then array[base || '/old', null, 'with "quotes", commas and {braces}']
        when 2 then array['NULL', '', 'back\slash']
    end::varchar[],
    case when get_byte(b, 11) = 2 then created_at + interval '90 days' end,
    case when get_byte(b, 11) = 3 then created_at + interval '91 days' end,
    case when get_byte(b, 12) % 5 = 0 then get_byte(b, 12) % 2 = 0 end,
    case when get_byte(b, 9) % 3 > 0 then 1 end,
    case when get_byte(b, 10) % 3 = 0 then 1 end,
    case when not local then base || '/collections/devices' end,
    case when get_byte(b, 11) = 3 then 1 end,
    case when get_byte(b, 11) = 4 then created_at + interval '92 days' end,
    case when get_byte(b, 12) % 16 = 1 then true end,
    case when get_byte(b, 12) % 16 = 1 then created_at + interval '40 days' end,
    case when get_byte(b, 12) % 16 = 2 then created_at + interval '39 days' end
from (
    select
        person.*,
        pg_temp.moment(pg_temp.account_ms(i))
            + get_byte(b, 15) * 3906 * interval '1 microsecond' as created_at
    from person
) as born;

insert into accounts (
    id, username, public_key, private_key, created_at, updated_at, actor_type, locked
)
values (
    -99, 'mastodon.example', '', '', timestamp '2017-04-01', timestamp '2017-04-01 00:00:00.5',
    'Application', true
);
