-- The people who have an account on this server, one user for each local account, with sessions,
-- tokens, keys and settings. Users are numbered like their accounts, divided by five.

create function pg_temp.user_id(k bigint) returns bigint
    language sql immutable as $$ select k + k / 10 $$;

create temporary table resident as
select
    i / 5 as k, pg_temp.user_id(i / 5) as id, i, person.id as account_id, username,
    pg_temp.bytes('user', i) as b, pg_temp.moment(pg_temp.account_ms(i)) as created_at
from person
where local
order by i;

analyze resident;

insert into users (
    id, email, created_at, updated_at, encrypted_password, reset_password_token,
    reset_password_sent_at, sign_in_count, current_sign_in_at, last_sign_in_at, admin,
    confirmation_token, confirmed_at, confirmation_sent_at, unconfirmed_email, locale,
    encrypted_otp_secret, encrypted_otp_secret_iv, encrypted_otp_secret_salt, consumed_timestep,
    otp_required_for_login, last_emailed_at, otp_backup_codes, account_id, disabled, moderator,
    invite_id, chosen_languages, created_by_application_id, approved, sign_in_token,
    sign_in_token_sent_at, webauthn_id, sign_up_ip, skip_sign_in_token
)
select
    id, lower(username) || (array['@', '+tag@', '.x@'])[1 + get_byte(b, 0) % 3]
        || (array['mail', 'post', 'web-mail'])[1 + get_byte(b, 1) % 3] || '.example',
    created_at, created_at + interval '400 days',
    '$2a$10$' || translate(encode(decode(md5(username) || md5('a' || username), 'hex'), 'base64'), '+=', './'),
    case when get_byte(b, 2) % 8 = 0 then md5('reset' || username) || k end,
    case when get_byte(b, 2) % 8 = 0 then created_at + interval '300 days' end,
    get_byte(b, 3), timestamp '2022-03-15' + get_byte(b, 4) * interval '4 hours',
    timestamp '2022-02-15' + get_byte(b, 4) * interval '2 hours', k = 1,
    case when get_byte(b, 5) % 2 = 0 then substr(md5('confirm' || username), 1, 20) || '-' || k end,
    case when get_byte(b, 5) <> 3 then created_at + interval '10 minutes' end, created_at,
    case when get_byte(b, 5) % 16 = 1 then 'new_' || lower(username) || '@mail.example' end,
    (array['en', 'de', 'ja', 'pt-BR', null])[1 + get_byte(b, 6) % 5],
    case when get_byte(b, 7) % 8 = 0 then encode(decode(md5(username || 'otp'), 'hex'), 'base64') || E'\n' end,
    case when get_byte(b, 7) % 8 = 0 then encode(decode(md5(username || 'iv'), 'hex'), 'base64') || E'\n' end,
    case when get_byte(b, 7) % 8 = 0 then '_' || encode(decode(md5(username || 'salt'), 'hex'), 'base64') || E'\n' end,
    case when get_byte(b, 7) % 8 = 0 then 54000000 + get_byte(b, 8) end,
    get_byte(b, 7) % 8 = 0, case when get_byte(b, 9) % 2 = 0 then timestamp '2022-01-01' end,
    case when get_byte(b, 7) % 8 = 0 then array['$2a$10$' || md5(username || 1), '$2a$10$' || md5(username || 2)] end,
    account_id, get_byte(b, 10) = 7, k = 2,
    case when get_byte(b, 10) % 4 = 0 then 1 + k % 30 end,
    case get_byte(b, 11) % 4 when 0 then '{}' when 1 then '{en,de}' when 2 then '{ja,NULL,"pt-BR"}' end::varchar[],
    case when get_byte(b, 11) % 4 = 3 then 1 + k % 8 end, get_byte(b, 12) % 32 > 0,
    case when get_byte(b, 12) % 16 = 0 then substr(md5(username || 'sign'), 1, 6) end,
    case when get_byte(b, 12) % 16 = 0 then created_at end,
    case when get_byte(b, 13) % 8 = 0 then translate(encode(decode(md5(username || 'wa'), 'hex'), 'base64'), '+/=', '-_') end,
    case get_byte(b, 14) % 4
        when 0 then null
        when 1 then ('2001:db8::' || to_hex(k))::inet
        when 2 then ('198.51.100.' || k % 256)::inet
        else ('203.0.113.' || k % 256)::inet
    end,
    (array[true, false, null])[1 + get_byte(b, 15) % 3]
from resident;

insert into invites (id, user_id, code, expires_at, max_uses, uses, created_at, updated_at, autofollow, comment)
select
    i, pg_temp.user_id(1 + i % 20), translate(substr(md5(pg_temp.seed() || 'invite' || i), 1, 7), '0169', 'aBZx') || i,
    case when i % 3 = 0 then timestamp '2022-06-01' end, case when i % 4 = 0 then 25 end, i % 9,
    timestamp '2019-01-01' + i * interval '3 days', timestamp '2019-01-01' + i * interval '3 days',
    i % 2 = 0, case when i % 5 = 0 then 'for the book club, "Tuesday"' end
from generate_series(1, 30) as i;

insert into user_invite_requests (id, user_id, text, created_at, updated_at)
select
    k, id, (array['I know Bob', E'Hello!\nI would like to join.', null])[1 + k % 3], created_at, created_at
from resident
where k <= 40;

insert into oauth_applications (
    id, name, uid, secret, redirect_uri, scopes, created_at, updated_at, superapp, website,
    owner_type, owner_id, confidential
)
select
    i, case when i = 1 then 'Web' else 'Client "' || i || '"' end,
    translate(encode(decode(md5(pg_temp.seed() || 'uid' || i) || md5('uid' || i), 'hex'), 'base64'), '+/=', '-_'),
    translate(encode(decode(md5(pg_temp.seed() || 'secret' || i) || md5('secret' || i), 'hex'), 'base64'), '+/=', '-_'),
    E'urn:ietf:wg:oauth:2.0:oob\nhttps://client.example/callback', 'read write follow push',
    case when i <> 3 then timestamp '2017-05-01' + i * interval '40 days' end,
    timestamp '2017-05-01' + i * interval '40 days', i = 1,
    case when i % 2 = 0 then 'https://client-' || i || '.example' end,
    case when i % 3 = 0 then 'User' end, case when i % 3 = 0 then pg_temp.user_id(i) end, i <> 4
from generate_series(1, 24) as i;

insert into oauth_access_tokens (
    id, token, refresh_token, expires_in, revoked_at, created_at, scopes, application_id,
    resource_owner_id, last_used_at, last_used_ip
)
select
    k * 2 + j, translate(encode(decode(md5(username || j) || md5(j || username), 'hex'), 'base64'), '+/=', '-_'),
    case when k % 7 = 0 then md5('refresh' || username || j) end, case when k % 7 = 0 then 7200 end,
    case when k % 11 = 0 then created_at + interval '200 days' end,
    created_at + j * interval '100 days', 'read write follow', 1 + (k + j) % 8, id,
    case when k % 2 = 0 then timestamp '2022-04-01' end,
    case when k % 2 = 0 then ('192.0.2.' || k % 256 || '/32')::inet end
from resident
cross join generate_series(0, 1) as j;

insert into oauth_access_grants (
    id, token, expires_in, redirect_uri, created_at, revoked_at, scopes, application_id, resource_owner_id
)
select
    k, md5('grant' || username) || k, 600, 'urn:ietf:wg:oauth:2.0:oob', created_at,
    created_at + interval '5 seconds', 'read', 1 + k % 8, id
from resident
where k <= 60;

insert into session_activations (
    id, session_id, created_at, updated_at, user_agent, ip, access_token_id, user_id, web_push_subscription_id
)
select
    k * 2 + j, md5('session' || username || j), created_at, timestamp '2022-04-20' + j * interval '1 day',
    (array[
        'Mozilla/5.0 (X11; Linux x86_64; rv:99.0) Gecko/20100101 Firefox/99.0', '',
        'Mozilla/5.0 (iPhone; CPU iPhone OS 15_4 like Mac OS X) AppleWebKit/605.1.15'
    ])[1 + (k + j) % 3],
    case when k % 5 > 0 then ('2001:db8:0:' || to_hex(k % 65536) || '::' || j)::inet else '10.0.0.0/8' end,
    case when j = 0 then k * 2 end, id, case when j = 0 and k <= 30 then k end
from resident
cross join generate_series(0, 1) as j;

insert into login_activities (
    id, user_id, authentication_method, provider, success, failure_reason, ip, user_agent, created_at
)
select
    k * 3 + j, id, (array['password', 'otp', 'webauthn', null])[1 + (k + j) % 4], null, j < 2,
    case when j = 2 then 'invalid_password' end, ('198.51.100.' || (k + j) % 256)::inet,
    'curl/7.' || j, case when k % 40 > 0 then created_at + j * interval '17 days' end
from resident
cross join generate_series(0, 2) as j;

insert into webauthn_credentials (
    id, external_id, public_key, nickname, sign_count, user_id, created_at, updated_at
)
select
    k, encode(decode(md5('key' || username) || md5(username || 'key'), 'hex'), 'base64'),
    encode(decode(md5('public' || username), 'hex'), 'base64'), 'YubiKey ' || k, 4000000000 + k, id,
    created_at, created_at
from resident
where k <= 24;

insert into identities (id, provider, uid, created_at, updated_at, user_id)
select k, (array['saml', 'cas', 'openid_connect'])[1 + k % 3], 'uid-' || username, created_at, created_at, id
from resident
where k <= 24;

insert into markers (id, user_id, timeline, last_read_id, lock_version, created_at, updated_at)
select
    k * 2 + j, id, (array['home', 'notifications'])[1 + j],
    pg_temp.status_id(pg_temp.statuses() - 1 - k % 50), k % 30, created_at, timestamp '2022-04-30'
from resident
cross join generate_series(0, 1) as j;

insert into web_settings (id, data, created_at, updated_at, user_id)
select
    k, ('{"columns":[{"id":"COMPOSE","uuid":"' || md5(username) || '","params":{}},  {"id":"HOME"}],'
        || '"onboarded":true,"skinTone":' || k % 6 || ',"home":{"regex":{"body":"\\d+ \"x\""}}}')::json,
    created_at, timestamp '2022-04-30', id
from resident
where k % 3 > 0;

insert into web_push_subscriptions (
    id, endpoint, key_p256dh, key_auth, data, created_at, updated_at, access_token_id, user_id
)
select
    k, 'https://push.example/send/' || md5(username) || md5(id::text),
    translate(encode(decode(md5(username || 'p') || md5('p' || username), 'hex'), 'base64'), '+/', '-_'),
    translate(encode(decode(md5(username || 'auth'), 'hex'), 'base64'), '+/', '-_'),
    '{"policy":"all","alerts":{"follow":true,"mention":true,"poll":null}}', created_at, created_at,
    k * 2, id
from resident
where k <= 30;

insert into devices (
    id, access_token_id, account_id, device_id, name, fingerprint_key, identity_key, created_at, updated_at
)
select
    k, k * 2, account_id, 'device-' || k, 'Phone of ' || username, md5(username || 'f'), md5(username || 'i'),
    created_at, created_at
from resident
where k <= 24;

insert into encrypted_messages (
    id, device_id, from_account_id, from_device_id, type, body, digest, message_franking, created_at, updated_at
)
select
    (1609459200000 + i * 60000) << 16 | i, 1 + i % 24, pg_temp.account_id(5 + i), 'device-' || i, 1,
    encode(decode(md5('body' || i), 'hex'), 'base64'), md5('digest' || i), md5('frank' || i),
    timestamp '2021-01-01' + i * interval '1 minute', timestamp '2021-01-01' + i * interval '1 minute'
from generate_series(1, 40) as i;

insert into one_time_keys (id, device_id, key_id, key, signature, created_at, updated_at)
select
    i, 1 + i % 24, 'AAAA' || to_hex(i), md5('one' || i), md5('signature' || i),
    timestamp '2021-01-01', timestamp '2021-01-01'
from generate_series(1, 48) as i;

insert into system_keys (id, key, created_at, updated_at)
select
    i, case when i < 24 then decode(md5('system' || i) || '00ff5c27' || md5('key' || i), 'hex') else '' end,
    timestamp '2021-01-01' + i * interval '7 days', timestamp '2021-01-01' + i * interval '7 days'
from generate_series(1, 24) as i;

insert into backups (
    id, user_id, dump_file_name, dump_content_type, dump_updated_at, processed, created_at, updated_at, dump_file_size
)
select
    k, id, 'archive-' || k || '.tar.gz', 'application/gzip', created_at, k % 5 > 0, created_at, created_at,
    3000000000 + k
from resident
where k <= 24;

insert into imports (
    id, type, approved, created_at, updated_at, data_file_name, data_content_type, data_file_size,
    data_updated_at, account_id, overwrite
)
select
    k, k % 5, k % 2 = 0, created_at, created_at, 'following "' || k || '".csv', 'text/csv', 500 + k,
    created_at, account_id, k % 3 = 0
from resident
where k <= 24;
