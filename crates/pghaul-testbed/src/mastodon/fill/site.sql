-- Moderation, announcements, emojis, blocks of domains, settings, and Rails' own tables.
-- The first local accounts moderate.

insert into reports (
    id, status_ids, comment, created_at, updated_at, account_id, action_taken_by_account_id,
    target_account_id, assigned_account_id, uri, forwarded, category, action_taken_at, rule_ids
)
select
    i, case when i % 3 = 0 then '{}' else array[pg_temp.status_id(i * 10), pg_temp.status_id(i * 10 + 1)] end,
    (array['spam', '', E'He wrote:\n"…" \\ and more', '規約違反'])[1 + i % 4],
    moment, moment + interval '1 hour', pg_temp.account_id(i), case when i % 2 = 0 then pg_temp.account_id(5) end,
    pg_temp.account_id(i + 1), case when i % 4 = 0 then pg_temp.account_id(10) end,
    case when i % 5 > 0 then 'https://reports.example/' || i end, (array[true, false, null])[1 + i % 3],
    (array[0, 1000, 2000])[1 + i % 3], case when i % 2 = 0 then moment + interval '1 hour' end,
    case i % 3 when 2 then '{1,2}' when 1 then '{}' end::bigint[]
from (
    select i, timestamp '2019-06-01' + i * interval '31 hours' as moment from generate_series(1, 60) as i
) as filed;

insert into report_notes (id, content, report_id, account_id, created_at, updated_at)
select i, 'Note ' || i || ' ✔', 1 + i % 60, pg_temp.account_id(5), timestamp '2020-01-01', timestamp '2020-01-01'
from generate_series(1, 40) as i;

insert into account_warnings (
    id, account_id, target_account_id, action, text, created_at, updated_at, report_id, status_ids, overruled_at
)
select
    i, case when i % 7 > 0 then pg_temp.account_id(5) end, pg_temp.account_id(i + 1),
    (array[0, 1000, 1250, 1500, 2000, 3000, 4000])[1 + i % 7], 'Please read rule ' || i % 5,
    timestamp '2020-03-01' + i * interval '1 day', timestamp '2020-03-01' + i * interval '1 day',
    case when i % 2 = 0 then i end,
    case when i % 3 = 0 then null when i % 3 = 1 then '{}'
        else array[pg_temp.status_id(i * 10)::text, pg_temp.status_id(i * 10 + 1)::text] end::varchar[],
    case when i % 9 = 0 then timestamp '2020-06-01' end
from generate_series(1, 40) as i;

insert into account_warning_presets (id, text, created_at, updated_at, title)
select i, 'Preset text ' || i || E'\n', timestamp '2020-01-01', timestamp '2020-01-01', 'Preset ' || i
from generate_series(1, 24) as i;

insert into account_moderation_notes (id, content, account_id, target_account_id, created_at, updated_at)
select
    i, 'Watch this one, case ' || i, pg_temp.account_id(5), pg_temp.account_id(i + 2),
    timestamp '2019-01-01' + i * interval '3 days', timestamp '2019-01-01' + i * interval '3 days'
from generate_series(1, 40) as i;

insert into appeals (
    id, account_id, account_warning_id, text, approved_at, approved_by_account_id, rejected_at,
    rejected_by_account_id, created_at, updated_at
)
select
    i, pg_temp.account_id(i + 1), i, 'It was a joke 🙃', case when i % 3 = 0 then moment end,
    case when i % 3 = 0 then pg_temp.account_id(5) end, case when i % 3 = 1 then moment end,
    case when i % 3 = 1 then pg_temp.account_id(10) end, moment, moment
from (
    select i, timestamp '2020-03-01 12:00:00.000001' + i * interval '25 hours' as moment from generate_series(1, 24) as i
) as filed;

insert into admin_action_logs (id, account_id, action, target_type, target_id, created_at, updated_at)
select
    i, pg_temp.account_id(5), (array['suspend', 'resolve', 'destroy', 'create'])[1 + i % 4],
    (array['Account', 'Report', 'Status', 'DomainBlock'])[1 + i % 4],
    case i % 4 when 0 then pg_temp.account_id(i) when 1 then i when 2 then pg_temp.status_id(i) else i % 30 + 1 end,
    timestamp '2020-01-01' + i * interval '5 hours', timestamp '2020-01-01' + i * interval '5 hours'
from generate_series(1, 60) as i;

insert into announcements (
    id, text, published, all_day, scheduled_at, starts_at, ends_at, created_at, updated_at, published_at, status_ids
)
select
    i, 'Maintenance on day ' || i || ' 🛠️', i % 4 > 0, i % 2 = 0, case when i % 4 = 0 then moment end, moment,
    moment + interval '2 hours', moment, moment, case when i % 4 > 0 then moment end,
    case when i % 5 = 0 then array[pg_temp.status_id(i * 7)] when i % 5 = 1 then '{}'::bigint[] end
from (
    select i, timestamp '2020-02-01' + i * interval '20 days' as moment from generate_series(1, 24) as i
) as planned;

insert into announcement_mutes (id, account_id, announcement_id, created_at, updated_at)
select i, pg_temp.account_id(5 * (1 + i % 20)), 1 + i % 24, timestamp '2020-05-01', timestamp '2020-05-01'
from generate_series(1, 48) as i;

insert into custom_emoji_categories (id, name, created_at, updated_at)
select i, case when i < 24 then 'Category ' || i end, timestamp '2019-07-01', timestamp '2019-07-01'
from generate_series(1, 24) as i;

insert into custom_emojis (
    id, shortcode, domain, image_file_name, image_content_type, image_file_size, image_updated_at,
    created_at, updated_at, disabled, uri, image_remote_url, visible_in_picker, category_id,
    image_storage_schema_version
)
select
    i, (array['blobcat', 'Verified', 'party_parrot', 'ms_robot'])[1 + i % 4] || i / 4,
    case when i % 4 > 0 then 'mastodon-' || i % 3 || '.example' end, md5('emoji' || i) || '.png', 'image/png', 2000 + i,
    timestamp '2018-01-01', timestamp '2018-01-01' + i * interval '1 hour', timestamp '2018-01-02' + i * interval '1 hour',
    i % 17 = 0, case when i % 4 > 0 then 'https://mastodon-' || i % 3 || '.example/emojis/' || i end,
    case when i % 4 > 0 then 'https://mastodon-' || i % 3 || '.example/emojis/' || i || '.png' end,
    i % 13 > 0, case when i % 4 = 0 then 1 + i / 4 % 24 end, case when i % 2 = 0 then 1 end
from generate_series(1, 400) as i;

insert into announcement_reactions (id, account_id, announcement_id, name, custom_emoji_id, created_at, updated_at)
select
    i, case when i % 30 > 0 then pg_temp.account_id(5 * (1 + i % 20)) end, 1 + i % 24,
    case when i % 3 = 0 then 'blobcat' || i / 3 else (array['👍', '🎉', '🦣'])[1 + i / 24] end,
    case when i % 3 = 0 then 4 * (1 + i) end, timestamp '2020-05-01', timestamp '2020-05-01'
from generate_series(1, 60) as i;

insert into domain_allows (id, domain, created_at, updated_at)
select i, 'friend-' || i || '.example', timestamp '2019-08-01', timestamp '2019-08-01'
from generate_series(1, 24) as i;

insert into domain_blocks (
    id, domain, created_at, updated_at, severity, reject_media, reject_reports, private_comment, public_comment, obfuscate
)
select
    i, case when i % 3 = 0 then 'mastodon-' || i || '.example' else 'spam-' || i || '.test' end,
    timestamp '2018-04-01' + i * interval '9 days', timestamp '2018-04-01' + i * interval '10 days',
    (array[0, 1, 2, 1])[1 + i % 4], i % 2 = 0, i % 5 = 0, case when i % 3 = 0 then 'seen on "fediblock"' end,
    case i % 4 when 0 then 'Harassment' when 1 then '' end, i % 6 = 0
from generate_series(1, 60) as i;

insert into unavailable_domains (id, domain, created_at, updated_at)
select i, 'dead-' || i || '.example', timestamp '2021-01-01', timestamp '2021-01-01' + i * interval '1 hour'
from generate_series(1, 48) as i;

insert into email_domain_blocks (id, domain, created_at, updated_at, parent_id)
select
    i, case when i % 4 = 0 then 'mx' || i || '.throwaway.example' else 'throwaway-' || i || '.example' end,
    timestamp '2018-02-01', timestamp '2018-02-01', case when i % 4 = 0 then i - 1 end
from generate_series(1, 48) as i;

insert into ip_blocks (id, created_at, updated_at, expires_at, ip, severity, comment)
select
    i, timestamp '2020-11-01', timestamp '2020-11-01', case when i % 2 = 0 then timestamp '2022-11-01' end,
    (case i % 3 when 0 then '2001:db8:' || to_hex(i) || '::/48' when 1 then '198.51.' || i || '.0/24' else '203.0.113.' || i end)::inet,
    (array[5000, 5500, 9999])[1 + i % 3], case when i % 2 = 0 then 'botnet' else '' end
from generate_series(1, 40) as i;

insert into relays (id, inbox_url, follow_activity_id, created_at, updated_at, state)
select
    i, 'https://relay-' || i || '.example/inbox', case when i % 2 = 0 then 'https://mastodon.example/' || md5(i::text) end,
    timestamp '2018-08-01', timestamp '2018-08-01', i % 4
from generate_series(1, 24) as i;

insert into rules (id, priority, deleted_at, text, created_at, updated_at)
select
    i, i % 3, case when i > 20 then timestamp '2022-01-01' end, 'Rule ' || i || ': be kind – soyez gentils',
    timestamp '2021-02-21', timestamp '2021-02-21'
from generate_series(1, 24) as i;

insert into settings (id, var, value, thing_type, created_at, updated_at, thing_id)
select
    i, (array['site_title', 'site_contact_email', 'theme', 'custom_css', 'registrations_mode', 'show_domain_blocks'])[i],
    (array[E'--- Example “Social”\n', E'--- admin@mastodon.example\n...\n', E'--- default\n', E'--- |\n  a { color: red; }\n\n  b {}\n', '--- open', null])[i],
    null, timestamp '2017-04-02', timestamp '2021-04-02', null
from generate_series(1, 6) as i;

-- Settings of users, as they were kept until 4.1.
insert into settings (id, var, value, thing_type, created_at, updated_at, thing_id)
select
    6 + k * 2 + j, (array['notification_emails', 'default_privacy'])[1 + j],
    (array[E'--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess\nfollow: false\nmention: true\n', E'--- unlisted\n...\n'])[1 + j],
    'User', created_at, created_at, id
from resident
cross join generate_series(0, 1) as j;

insert into site_uploads (id, var, file_file_name, file_content_type, file_file_size, file_updated_at, meta, created_at, updated_at)
select
    i, (array['thumbnail', 'mascot', 'favicon', 'app_icon'])[1 + i % 4] || case when i > 3 then '@' || i || 'x' else '' end,
    'upload ' || i || '.png', 'image/png', 12000 + i, timestamp '2019-01-01', '{"width": 1200,"height":630 , "ratio": 1.90}',
    timestamp '2019-01-01', timestamp '2019-01-01'
from generate_series(0, 23) as i;

insert into pghero_space_stats (id, database, schema, relation, size, captured_at)
select i, 'primary', 'public', (array['statuses', 'accounts', 'favourites'])[1 + i % 3], 5000000000 + i * 8192, timestamp '2022-03-01' + i / 3 * interval '1 day'
from generate_series(1, 60) as i;

insert into schema_migrations (version)
select to_char(timestamp '2016-02-20 17:48:00' + i * interval '8 days 5 hours', 'YYYYMMDDHH24MISS')
from generate_series(0, 274) as i;

insert into ar_internal_metadata (key, value, created_at, updated_at)
values
    ('environment', 'production', timestamp '2017-04-01 08:30:00.123456', timestamp '2017-04-01 08:30:00.123456'),
    ('schema_sha1', '27ac00a7a3e1e0b2f0ad1f9a4a9ef9bb3f7d6c55', timestamp '2019-06-20', timestamp '2019-06-20');
