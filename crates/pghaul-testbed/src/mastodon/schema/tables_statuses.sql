-- Statuses, conversations, media, polls, tags, cards, notifications.

create table statuses (
    id bigint not null default timestamp_id('statuses'),
    uri varchar,
    text text not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    in_reply_to_id bigint,
    reblog_of_id bigint,
    url varchar,
    sensitive boolean not null default false,
    visibility integer not null default 0,
    spoiler_text text not null default '',
    reply boolean not null default false,
    language varchar,
    conversation_id bigint,
    local boolean,
    account_id bigint not null,
    application_id bigint,
    in_reply_to_account_id bigint,
    poll_id bigint,
    deleted_at timestamp,
    edited_at timestamp,
    trendable boolean,
    ordered_media_attachment_ids bigint[]
);

create table conversations (
    id bigserial,
    uri varchar,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table account_conversations (
    id bigserial,
    account_id bigint,
    conversation_id bigint,
    participant_account_ids bigint[] not null default '{}',
    status_ids bigint[] not null default '{}',
    last_status_id bigint,
    lock_version integer not null default 0,
    unread boolean not null default false
);

create table conversation_mutes (
    id bigserial,
    conversation_id bigint not null,
    account_id bigint not null
);

create table mentions (
    id bigserial,
    status_id bigint,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint,
    silent boolean not null default false
);

create table favourites (
    id bigserial,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint not null,
    status_id bigint not null
);

create table bookmarks (
    id bigserial,
    account_id bigint not null,
    status_id bigint not null,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table status_pins (
    id bigserial,
    account_id bigint not null,
    status_id bigint not null,
    created_at timestamp not null default now(),
    updated_at timestamp not null default now()
);

create table status_stats (
    id bigserial,
    status_id bigint not null,
    replies_count bigint not null default 0,
    reblogs_count bigint not null default 0,
    favourites_count bigint not null default 0,
    created_at timestamp not null,
    updated_at timestamp not null
);

create table status_edits (
    id bigserial,
    status_id bigint not null,
    account_id bigint,
    text text not null default '',
    spoiler_text text not null default '',
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null,
    ordered_media_attachment_ids bigint[],
    media_descriptions text[],
    poll_options varchar[],
    sensitive boolean
);

create table media_attachments (
    id bigint not null default timestamp_id('media_attachments'),
    status_id bigint,
    file_file_name varchar,
    file_content_type varchar,
    file_file_size integer,
    file_updated_at timestamp,
    remote_url varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    shortcode varchar,
    type integer not null default 0,
    file_meta json,
    account_id bigint,
    description text,
    scheduled_status_id bigint,
    blurhash varchar,
    processing integer,
    file_storage_schema_version integer,
    thumbnail_file_name varchar,
    thumbnail_content_type varchar,
    thumbnail_file_size integer,
    thumbnail_updated_at timestamp,
    thumbnail_remote_url varchar
);

create table scheduled_statuses (
    id bigserial,
    account_id bigint,
    scheduled_at timestamp,
    params jsonb
);

create table polls (
    id bigserial,
    account_id bigint,
    status_id bigint,
    expires_at timestamp,
    options varchar[] not null default '{}',
    cached_tallies bigint[] not null default '{}',
    multiple boolean not null default false,
    hide_totals boolean not null default false,
    votes_count bigint not null default 0,
    last_fetched_at timestamp,
    created_at timestamp not null,
    updated_at timestamp not null,
    lock_version integer not null default 0,
    voters_count bigint
);

create table poll_votes (
    id bigserial,
    account_id bigint,
    poll_id bigint,
    choice integer not null default 0,
    created_at timestamp not null,
    updated_at timestamp not null,
    uri varchar
);

create table notifications (
    id bigserial,
    activity_id bigint not null,
    activity_type varchar not null,
    created_at timestamp not null,
    updated_at timestamp not null,
    account_id bigint not null,
    from_account_id bigint not null,
    type varchar
);

create table tags (
    id bigserial,
    name varchar not null default '',
    created_at timestamp not null,
    updated_at timestamp not null,
    usable boolean,
    trendable boolean,
    listable boolean,
    reviewed_at timestamp,
    requested_review_at timestamp,
    last_status_at timestamp,
    max_score double precision,
    max_score_at timestamp
);

create table statuses_tags (
    status_id bigint not null,
    tag_id bigint not null
);

create table preview_cards (
    id bigserial,
    url varchar not null default '',
    title varchar not null default '',
    description varchar not null default '',
    image_file_name varchar,
    image_content_type varchar,
    image_file_size integer,
    image_updated_at timestamp,
    type integer not null default 0,
    html text not null default '',
    author_name varchar not null default '',
    author_url varchar not null default '',
    provider_name varchar not null default '',
    provider_url varchar not null default '',
    width integer not null default 0,
    height integer not null default 0,
    created_at timestamp not null,
    updated_at timestamp not null,
    embed_url varchar not null default '',
    image_storage_schema_version integer,
    blurhash varchar,
    language varchar,
    max_score double precision,
    max_score_at timestamp,
    trendable boolean,
    link_type integer
);

create table preview_cards_statuses (
    preview_card_id bigint not null,
    status_id bigint not null
);

create table preview_card_providers (
    id bigserial,
    domain varchar not null default '',
    icon_file_name varchar,
    icon_content_type varchar,
    icon_file_size bigint,
    icon_updated_at timestamp,
    trendable boolean,
    reviewed_at timestamp,
    requested_review_at timestamp,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table custom_filters (
    id bigserial,
    account_id bigint,
    expires_at timestamp,
    phrase text not null default '',
    context varchar[] not null default '{}',
    whole_word boolean not null default true,
    irreversible boolean not null default false,
    created_at timestamp not null,
    updated_at timestamp not null
);
