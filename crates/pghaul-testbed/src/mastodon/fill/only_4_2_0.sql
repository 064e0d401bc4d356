-- What 4.2.0 has beyond 3.5.3.

update users
set
    settings = case when id % 3 > 0 then '{"web.reblog_modal":true,"theme":"contrast","notification_emails.follow":false}' end,
    time_zone = case when id % 4 = 0 then 'Europe/Berlin' end,
    role_id = case when admin then 3 when moderator then 1 end;

update featured_tags
set name = tags.name
from tags
where tags.id = featured_tags.tag_id and featured_tags.id % 2 = 0;

update tags set display_name = upper(substr(name, 1, 1)) || substr(name, 2) where id % 6 = 0 and name ~ '^[a-zA-Z]';
update preview_cards set published_at = created_at + interval '123457 microseconds', image_description = 'A "photo"' where id % 5 = 0;
update follows set languages = '{en,NULL,"pt-BR"}' where id % 31 = 0;
update follow_requests set languages = '{}' where id % 3 = 0;
update canonical_email_blocks set reference_account_id = null where id % 4 = 1;
update admin_action_logs set human_identifier = 'target ' || id, route_param = target_id::text, permalink = 'https://mastodon.example/@' || id;
update lists set exclusive = true where id % 7 = 0;
update site_uploads set blurhash = 'UFP?:h?b~q-;' || id where id % 2 = 0;

insert into user_roles (id, name, color, position, permissions, highlighted, created_at, updated_at)
select
    i, case i when -99 then '' when 1 then 'Moderator' when 2 then 'Admin' when 3 then 'Owner' else 'Role "' || i || '"' end,
    case when i between 1 and 3 then '#ff00' || i || '7' else '' end, case when i = -99 then -1 else i * 10 end,
    case i when -99 then 65536 when 3 then 1 else 1048575 - i end, i between 1 and 3,
    timestamp '2022-07-05 10:00:00.5', timestamp '2022-07-05 10:00:00.25'
from unnest(array[-99] || array(select generate_series(1, 24))) as i;

insert into custom_filters (id, account_id, expires_at, phrase, context, created_at, updated_at, action)
select
    k, account_id, case when k % 2 = 0 then timestamp '2022-12-01' end, (array['football', '日本', 'a "b" \c'])[1 + k % 3],
    '{home,notifications}', created_at, created_at, k % 2
from resident
where k % 2 = 0;

insert into custom_filter_keywords (id, custom_filter_id, keyword, whole_word, created_at, updated_at)
select k * 2 + j, k, 'word' || j, j = 0, created_at, created_at
from resident
cross join generate_series(0, 1) as j
where k % 2 = 0;

insert into custom_filter_statuses (id, custom_filter_id, status_id, created_at, updated_at)
select k, k, pg_temp.status_id(k * 3 % pg_temp.statuses()), created_at, created_at
from resident
where k % 2 = 0;

insert into tag_follows (id, tag_id, account_id, created_at, updated_at)
select
    k * 3 + j, 2 * (1 + (k * 5 + j) % pg_temp.tags()), account_id,
    created_at + interval '7 microseconds', created_at + interval '7 microseconds'
from resident
cross join generate_series(0, 2) as j;

insert into status_trends (id, status_id, account_id, score, rank, allowed, language)
select
    row_number() over (order by i), pg_temp.status_id(i), pg_temp.account_id(author), get_byte(b, 6) / 32.0,
    (pg_temp.statuses() - i)::integer, get_byte(b, 6) % 2 = 0, (array['en', 'de', null])[1 + get_byte(b, 7) % 3]
from post
where kind = 0 and i > pg_temp.statuses() - 1000;

insert into preview_card_trends (id, preview_card_id, score, rank, allowed, language)
select i, i, i / 8.0, 40 - i, i % 2 = 0, (array['en', null])[1 + i % 2]
from generate_series(1, 30) as i;

insert into webhooks (id, url, events, secret, enabled, created_at, updated_at, template)
select
    i, 'https://hooks.example/' || i, (array['{}', '{account.created}', '{report.created,"account.approved"}'])[1 + i % 3]::varchar[],
    md5('webhook' || i), i % 4 > 0, timestamp '2022-08-01', timestamp '2022-08-01 00:00:00.000001',
    case when i % 5 = 0 then '{ "text": "{{object.id}}" }' end
from generate_series(1, 24) as i;

insert into bulk_imports (
    id, type, state, total_items, imported_items, processed_items, finished_at, overwrite,
    likely_mismatched, original_filename, account_id, created_at, updated_at
)
select
    k, k % 5, k % 4, 20, 10, 12, case when k % 4 = 3 then created_at end, k % 2 = 0, k % 7 = 0,
    'following "' || k || '".csv', account_id, created_at, created_at
from resident
where k <= 24;

insert into bulk_import_rows (id, bulk_import_id, data, created_at, updated_at)
select
    i, 1 + i % 20, jsonb_build_object('acct', 'user' || i || '@mastodon-1.example', 'show_reblogs', true, 'languages', null),
    timestamp '2023-05-01', timestamp '2023-05-01 00:00:00.999999'
from generate_series(1, 60) as i;

insert into software_updates (id, version, urgent, type, release_notes, created_at, updated_at)
select
    i, '4.' || 2 + i / 12 || '.' || i % 12, i % 5 = 0, i % 3, 'https://releases.example/v' || i,
    timestamp '2023-09-01', timestamp '2023-09-01'
from generate_series(1, 24) as i;

insert into schema_migrations (version)
select to_char(timestamp '2022-04-29 10:18:50' + i * interval '9 days', 'YYYYMMDDHH24MISS')
from generate_series(0, 50) as i
union all
select '20230907150100';
