-- Users of this server: sessions, OAuth, keys, settings.

create table users (
    id bigserial,
    email varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    encrypted_password varchar not null default '',
    reset_password_token varchar,
    reset_password_sent_at timestamp,
    sign_in_count integer not null default 0,
    current_sign_in_at timestamp,
    last_sign_in_at timestamp,
    admin boolean not null default false,
    confirmation_token varchar,
    confirmed_at timestamp,
    confirmation_sent_at timestamp,
    unconfirmed_email varchar,
    locale varchar,
    encrypted_otp_secret varchar,
    encrypted_otp_secret_iv varchar,
    encrypted_otp_secret_salt varchar,
    consumed_timestep integer,
    otp_required_for_login boolean not null default false,
    last_emailed_at timestamp,
    otp_backup_codes varchar[],
    filtered_languages varchar[] not null default '{}',
    account_id bigint not null,
    disabled boolean not null default false,
    moderator boolean not null default false,
    invite_id bigint,
    chosen_languages varchar[],
    created_by_application_id bigint,
    approved boolean not null default true,
    sign_in_token varchar,
    sign_in_token_sent_at timestamp,
    webauthn_id varchar,
    sign_up_ip inet,
    skip_sign_in_token boolean
);

create table invites (
    id bigserial,
    user_id bigint not null,
    code varchar not null default '',
    expires_at timestamp,
    max_uses integer,
    uses integer not null default 0,
    created_at timestamp not null,
    updated_at timestamp not null,
    autofollow boolean not null default false,
    comment text
);

create table user_invite_requests (
    id bigserial,
    user_id bigint,
    text text,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table session_activations (
    id bigserial,
    session_id varchar not null,
    created_at timestamp not null,
    updated_at timestamp not null,
    user_agent varchar not null default '',
    ip inet,
    access_token_id bigint,
    user_id bigint not null,
    web_push_subscription_id bigint
);

create table login_activities (
    id bigserial,
    user_id bigint not null,
    authentication_method varchar,
    provider varchar,
    success boolean,
    failure_reason varchar,
    ip inet,
    user_agent varchar,
    created_at timestamp
);

create table webauthn_credentials (
    id bigserial,
    external_id varchar not null,
    public_key varchar not null,
    nickname varchar not null,
    sign_count bigint not null default 0,
    user_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table identities (
    id bigserial,
    provider varchar not null default '',
    uid varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    user_id bigint
);

create table markers (
    id bigserial,
    user_id bigint,
    timeline varchar not null default '',
    last_read_id bigint not null default 0,
    lock_version integer not null default 0,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table web_settings (
    id bigserial,
    data json,
    created_at timestamp not null,
    updated_at timestamp not null,
    user_id bigint not null
);

create table web_push_subscriptions (
    id bigserial,
    endpoint varchar not null,
    key_p256dh varchar not null,
    key_auth varchar not null,
    data json,
    created_at timestamp not null,
    updated_at timestamp not null,
    access_token_id bigint,
    user_id bigint
);

create table oauth_applications (
    id bigserial,
    name varchar not null,
    uid varchar not null,
    secret varchar not null,
    redirect_uri text not null,
    scopes varchar not null default '',
    created_at timestamp,
    updated_at timestamp,
    superapp boolean not null default false,
    website varchar,
    owner_type varchar,
    owner_id bigint,
    confidential boolean not null default true
);

create table oauth_access_tokens (
    id bigserial,
    token varchar not null,
    refresh_token varchar,
    expires_in integer,
    revoked_at timestamp,
    created_at timestamp not null,
    scopes varchar,
    application_id bigint,
    resource_owner_id bigint,
    last_used_at timestamp,
    last_used_ip inet
);

create table oauth_access_grants (
    id bigserial,
    token varchar not null,
    expires_in integer not null,
    redirect_uri text not null,
    created_at timestamp not null,
    revoked_at timestamp,
    scopes varchar,
    application_id bigint not null,
    resource_owner_id bigint not null
);

create table devices (
    id bigserial,
    access_token_id bigint,
    account_id bigint,
    device_id varchar not null default '',
    name varchar not null default '',
    fingerprint_key text not null default '',
    identity_key text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table encrypted_messages (
    id bigint not null default timestamp_id('encrypted_messages'),
    device_id bigint,
    from_account_id bigint,
    from_device_id varchar not null default '',
    type integer not null default 0,
    body text not null default '',
    digest text not null default '',
    message_franking text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table one_time_keys (
    id bigserial,
    device_id bigint,
    key_id varchar not null default '',
    key text not null default '',
    signature text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table system_keys (
    id bigserial,
    key bytea,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table backups (
    id bigserial,
    user_id bigint,
    dump_file_name varchar,
    dump_content_type varchar,
    dump_updated_at timestamp,
    processed boolean not null default false,
    created_at timestamp not null,
    updated_at timestamp not null,
    dump_file_size bigint
);

create table imports (
    id bigserial,
    type integer not null,
    approved boolean not null default false,
    created_at timestamp not null,
    updated_at timestamp not null,
    data_file_name varchar,
    data_content_type varchar,
    data_file_size integer,
    data_updated_at timestamp,
    account_id bigint not null,
    overwrite boolean not null default false
);
