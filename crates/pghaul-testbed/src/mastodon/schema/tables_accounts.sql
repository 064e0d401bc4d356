-- Accounts and what hangs on them. Keys and indexes follow after the data: indexes.sql.

create table accounts (
    id bigint not null default timestamp_id('accounts'),
    username varchar not null default '',
    domain varchar,
    private_key text,
    public_key text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    note text not null default '',
    display_name varchar not null default '',
    uri varchar not null default '',
    url varchar,
    avatar_file_name varchar,
    avatar_content_type varchar,
    avatar_file_size integer,
    avatar_updated_at timestamp,
    header_file_name varchar,
    header_content_type varchar,
    header_file_size integer,
    header_updated_at timestamp,
    avatar_remote_url varchar,
    locked boolean not null default false,
    header_remote_url varchar not null default '',
    last_webfingered_at timestamp,
    inbox_url varchar not null default '',
    outbox_url varchar not null default '',
    shared_inbox_url varchar not null default '',
    followers_url varchar not null default '',
    protocol integer not null default 0,
    memorial boolean not null default false,
    moved_to_account_id bigint,
    featured_collection_url varchar,
    fields jsonb,
    actor_type varchar,
    discoverable boolean,
    also_known_as varchar[],
    silenced_at timestamp,
    suspended_at timestamp,
    hide_collections boolean,
    avatar_storage_schema_version integer,
    header_storage_schema_version integer,
    devices_url varchar,
    suspension_origin integer,
    sensitized_at timestamp,
    trendable boolean,
    reviewed_at timestamp,
    requested_review_at timestamp
);

create table account_stats (
    id bigserial,
    account_id bigint not null,
    statuses_count bigint not null default 0,
    following_count bigint not null default 0,
    followers_count bigint not null default 0,
    created_at timestamp not null,
    updated_at timestamp not null,
    last_status_at timestamp
);

create table account_aliases (
    id bigserial,
    account_id bigint,
    acct varchar not null default '',
    uri varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_deletion_requests (
    id bigserial,
    account_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_domain_blocks (
    id bigserial,
    domain varchar,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint
);

create table account_migrations (
    id bigserial,
    account_id bigint,
    acct varchar not null default '',
    followers_count bigint not null default 0,
    target_account_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_notes (
    id bigserial,
    account_id bigint,
    target_account_id bigint,
    comment text not null,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_pins (
    id bigserial,
    account_id bigint,
    target_account_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_statuses_cleanup_policies (
    id bigserial,
    account_id bigint not null,
    enabled boolean not null default true,
    min_status_age integer not null default 1209600,
    keep_direct boolean not null default true,
    keep_pinned boolean not null default true,
    keep_polls boolean not null default false,
    keep_media boolean not null default false,
    keep_self_fav boolean not null default true,
    keep_self_bookmark boolean not null default true,
    min_favs integer,
    min_reblogs integer,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table accounts_tags (
    account_id bigint not null,
    tag_id bigint not null
);

create table canonical_email_blocks (
    id bigserial,
    canonical_email_hash varchar not null default '',
    reference_account_id bigint not null,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table follow_recommendation_suppressions (
    id bigserial,
    account_id bigint not null,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table follows (
    id bigserial,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint not null,
    target_account_id bigint not null,
    show_reblogs boolean not null default true,
    uri varchar,
    notify boolean not null default false
);

create table follow_requests (
    id bigserial,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint not null,
    target_account_id bigint not null,
    show_reblogs boolean not null default true,
    uri varchar,
    notify boolean not null default false
);

create table blocks (
    id bigserial,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint not null,
    target_account_id bigint not null,
    uri varchar
);

create table mutes (
    id bigserial,
    created_at timestamp not null,
    updated_at timestamp not null,
    hide_notifications boolean not null default true,
    account_id bigint not null,
    target_account_id bigint not null,
    expires_at timestamp
);

create table lists (
    id bigserial,
    account_id bigint not null,
    title varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    replies_policy integer not null default 0
);

create table list_accounts (
    id bigserial,
    list_id bigint not null,
    account_id bigint not null,
    follow_id bigint
);

create table featured_tags (
    id bigserial,
    account_id bigint not null,
    tag_id bigint not null,
    statuses_count bigint not null default 0,
    last_status_at timestamp,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table tombstones (
    id bigserial,
    account_id bigint,
    uri varchar not null,
    created_at timestamp not null,
    updated_at timestamp not null,
    by_moderator boolean
);
