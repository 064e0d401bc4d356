-- What 4.2.0 has in place of indexes_3_5_3.sql, and beyond it.

alter table statuses_tags add constraint statuses_tags_pkey primary key (tag_id, status_id);
alter table accounts_tags add constraint accounts_tags_pkey primary key (tag_id, account_id);
alter table preview_cards_statuses add constraint preview_cards_statuses_pkey primary key (status_id, preview_card_id);
create unique index index_featured_tags_on_account_id_and_tag_id on featured_tags (account_id, tag_id);

create index index_accounts_on_domain_and_id on accounts (domain, id);
create index index_account_stats_on_last_status_at_and_account_id
    on account_stats (last_status_at desc nulls last, account_id);
create index index_users_on_role_id on users (role_id) where role_id is not null;
create index index_users_on_unconfirmed_email
    on users (unconfirmed_email) where unconfirmed_email is not null;
create unique index index_ip_blocks_on_ip on ip_blocks (ip);
create index index_list_accounts_on_follow_request_id
    on list_accounts (follow_request_id) where follow_request_id is not null;
create index index_backups_on_user_id on backups (user_id);

-- new tables
alter table tag_follows add constraint tag_follows_pkey primary key (id);
create unique index index_tag_follows_on_account_id_and_tag_id on tag_follows (account_id, tag_id);
create index index_tag_follows_on_tag_id on tag_follows (tag_id);
alter table status_trends add constraint status_trends_pkey primary key (id);
create index index_status_trends_on_account_id on status_trends (account_id);
create unique index index_status_trends_on_status_id on status_trends (status_id);
alter table preview_card_trends add constraint preview_card_trends_pkey primary key (id);
create unique index index_preview_card_trends_on_preview_card_id on preview_card_trends (preview_card_id);
alter table webhooks add constraint webhooks_pkey primary key (id);
create unique index index_webhooks_on_url on webhooks (url);
alter table custom_filter_statuses add constraint custom_filter_statuses_pkey primary key (id);
create index index_custom_filter_statuses_on_custom_filter_id on custom_filter_statuses (custom_filter_id);
create index index_custom_filter_statuses_on_status_id on custom_filter_statuses (status_id);
alter table software_updates add constraint software_updates_pkey primary key (id);
create unique index index_software_updates_on_version on software_updates (version);
alter table bulk_imports add constraint bulk_imports_pkey primary key (id);
create index index_bulk_imports_on_account_id on bulk_imports (account_id);
create index index_bulk_imports_unconfirmed on bulk_imports (id) where state = 0;
alter table bulk_import_rows add constraint bulk_import_rows_pkey primary key (id);
create index index_bulk_import_rows_on_bulk_import_id on bulk_import_rows (bulk_import_id);
alter table custom_filter_keywords add constraint custom_filter_keywords_pkey primary key (id);
create index index_custom_filter_keywords_on_custom_filter_id on custom_filter_keywords (custom_filter_id);
alter table user_roles add constraint user_roles_pkey primary key (id);
