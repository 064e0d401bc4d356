-- From 3.5.3's tables to 4.2.0's, as the migrations of an instance do it: dropped columns leave
-- gaps in the numbering of attributes.

alter table accounts add column indexable boolean not null default false;
alter table users
    drop column filtered_languages,
    add column role_id bigint,
    add column settings text,
    add column time_zone varchar;
alter table tags add column display_name varchar;
alter table featured_tags add column name varchar;
alter table preview_cards
    add column published_at timestamp(6),
    add column image_description varchar not null default '';
alter table follows add column languages varchar[];
alter table follow_requests add column languages varchar[];
alter table canonical_email_blocks alter column reference_account_id drop not null;
alter table admin_action_logs
    drop column recorded_changes,
    add column human_identifier varchar,
    add column route_param varchar,
    add column permalink varchar;
alter table custom_filters
    drop column whole_word,
    drop column irreversible,
    add column action integer not null default 0;
alter table list_accounts add column follow_request_id bigint;
alter table lists add column exclusive boolean not null default false;
alter table site_uploads add column blurhash varchar;

create table tag_follows (
    id bigserial,
    tag_id bigint not null,
    account_id bigint not null,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table status_trends (
    id bigserial,
    status_id bigint not null,
    account_id bigint not null,
    score double precision not null default 0.0,
    rank integer not null default 0,
    allowed boolean not null default false,
    language varchar
);

create table preview_card_trends (
    id bigserial,
    preview_card_id bigint not null,
    score double precision not null default 0.0,
    rank integer not null default 0,
    allowed boolean not null default false,
    language varchar
);

create table webhooks (
    id bigserial,
    url varchar not null,
    events varchar[] not null default '{}',
    secret varchar not null default '',
    enabled boolean not null default true,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null,
    template text
);

create table custom_filter_statuses (
    id bigserial,
    custom_filter_id bigint not null,
    status_id bigint not null,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table software_updates (
    id bigserial,
    version varchar not null,
    urgent boolean not null default false,
    type integer not null default 0,
    release_notes varchar not null default '',
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table bulk_imports (
    id bigserial,
    type integer not null,
    state integer not null,
    total_items integer not null default 0,
    imported_items integer not null default 0,
    processed_items integer not null default 0,
    finished_at timestamp,
    overwrite boolean not null default false,
    likely_mismatched boolean not null default false,
    original_filename varchar not null default '',
    account_id bigint not null,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table bulk_import_rows (
    id bigserial,
    bulk_import_id bigint not null,
    data jsonb,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table custom_filter_keywords (
    id bigserial,
    custom_filter_id bigint not null,
    keyword text not null default '',
    whole_word boolean not null default true,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);

create table user_roles (
    id bigserial,
    name varchar not null default '',
    color varchar not null default '',
    position integer not null default 0,
    permissions bigint not null default 0,
    highlighted boolean not null default false,
    created_at timestamp(6) not null,
    updated_at timestamp(6) not null
);
