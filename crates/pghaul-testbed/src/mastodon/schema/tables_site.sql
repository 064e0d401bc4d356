-- Moderation and the site itself, with the bookkeeping of Rails.

create table reports (
    id bigserial,
    status_ids bigint[] not null default '{}',
    comment text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint not null,
    action_taken_by_account_id bigint,
    target_account_id bigint not null,
    assigned_account_id bigint,
    uri varchar,
    forwarded boolean,
    category integer not null default 0,
    action_taken_at timestamp,
    rule_ids bigint[]
);

create table report_notes (
    id bigserial,
    content text not null,
    report_id bigint not null,
    account_id bigint not null,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_warnings (
    id bigserial,
    account_id bigint,
    target_account_id bigint,
    action integer not null default 0,
    text text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    report_id bigint,
    status_ids varchar[],
    overruled_at timestamp
);

create table account_warning_presets (
    id bigserial,
    text text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    title varchar not null default ''
);

create table account_moderation_notes (
    id bigserial,
    content text not null,
    account_id bigint not null,
    target_account_id bigint not null,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table appeals (
    id bigserial,
    account_id bigint not null,
    account_warning_id bigint not null,
    text text not null default '',
    approved_at timestamp,
    approved_by_account_id bigint,
    rejected_at timestamp,
    rejected_by_account_id bigint,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table admin_action_logs (
    id bigserial,
    account_id bigint,
    action varchar not null default '',
    target_type varchar,
    target_id bigint,
    recorded_changes text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table announcements (
    id bigserial,
    text text not null default '',
    published boolean not null default false,
    all_day boolean not null default false,
    scheduled_at timestamp,
    starts_at timestamp,
    ends_at timestamp,
    created_at timestamp not null,
    updated_at timestamp not null,
    published_at timestamp,
    status_ids bigint[]
);

create table announcement_mutes (
    id bigserial,
    account_id bigint,
    announcement_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table announcement_reactions (
    id bigserial,
    account_id bigint,
    announcement_id bigint,
    name varchar not null default '',
    custom_emoji_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table custom_emoji_categories (
    id bigserial,
    name varchar,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table custom_emojis (
    id bigserial,
    shortcode varchar not null default '',
    domain varchar,
    image_file_name varchar,
    image_content_type varchar,
    image_file_size integer,
    image_updated_at timestamp,
    created_at timestamp not null,
    updated_at timestamp not null,
    disabled boolean not null default false,
    uri varchar,
    image_remote_url varchar,
    visible_in_picker boolean not null default true,
    category_id bigint,
    image_storage_schema_version integer
);

create table domain_allows (
    id bigserial,
    domain varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table domain_blocks (
    id bigserial,
    domain varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    severity integer default 0,
    reject_media boolean not null default false,
    reject_reports boolean not null default false,
    private_comment text,
    public_comment text,
    obfuscate boolean not null default false
);

create table email_domain_blocks (
    id bigserial,
    domain varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    parent_id bigint
);

create table ip_blocks (
    id bigserial,
    created_at timestamp not null,
    updated_at timestamp not null,
    expires_at timestamp,
    ip inet not null default '0.0.0.0',
    severity integer not null default 0,
    comment text not null default ''
);

create table unavailable_domains (
    id bigserial,
    domain varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table relays (
    id bigserial,
    inbox_url varchar not null default '',
    follow_activity_id varchar,
    created_at timestamp not null,
    updated_at timestamp not null,
    state integer not null default 0
);

create table rules (
    id bigserial,
    priority integer not null default 0,
    deleted_at timestamp,
    text text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table settings (
    id bigserial,
    var varchar not null,
    value text,
    thing_type varchar,
    created_at timestamp,
    updated_at timestamp,
    thing_id bigint
);

create table site_uploads (
    id bigserial,
    var varchar not null default '',
    file_file_name varchar,
    file_content_type varchar,
    file_file_size integer,
    file_updated_at timestamp,
    meta json,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table pghero_space_stats (
    id bigserial,
    database text,
    schema text,
    relation text,
    size bigint,
    captured_at timestamp
);

create table schema_migrations (
    version varchar not null
);

create table ar_internal_metadata (
    key varchar not null,
    value varchar,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);
