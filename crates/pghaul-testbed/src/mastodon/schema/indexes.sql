-- Primary keys and indexes that 3.5.3 and 4.2.0 have in common; what differs is in
-- indexes_3_5_3.sql and indexes_4_2_0.sql.

-- accounts
alter table accounts add constraint accounts_pkey primary key (id);
create index index_accounts_on_moved_to_account_id
    on accounts (moved_to_account_id) where moved_to_account_id is not null;
create index index_accounts_on_uri on accounts (uri);
create index index_accounts_on_url on accounts (url text_pattern_ops) where url is not null;
create unique index index_accounts_on_username_and_domain_lower on accounts (
    lower(username), coalesce(lower(domain), '')
);
create index search_index on accounts using gin ((
    setweight(to_tsvector('simple', display_name), 'A')
    || setweight(to_tsvector('simple', username), 'B')
    || setweight(to_tsvector('simple', coalesce(domain, '')), 'C')
));
alter table account_stats add constraint account_stats_pkey primary key (id);
create unique index index_account_stats_on_account_id on account_stats (account_id);
alter table account_aliases add constraint account_aliases_pkey primary key (id);
create index index_account_aliases_on_account_id on account_aliases (account_id);
alter table account_deletion_requests add constraint account_deletion_requests_pkey primary key (id);
create index index_account_deletion_requests_on_account_id
    on account_deletion_requests (account_id);
alter table account_domain_blocks add constraint account_domain_blocks_pkey primary key (id);
create unique index index_account_domain_blocks_on_account_id_and_domain
    on account_domain_blocks (account_id, domain);
alter table account_migrations add constraint account_migrations_pkey primary key (id);
create index index_account_migrations_on_account_id on account_migrations (account_id);
create index index_account_migrations_on_target_account_id
    on account_migrations (target_account_id) where target_account_id is not null;
alter table account_notes add constraint account_notes_pkey primary key (id);
create unique index index_account_notes_on_account_id_and_target_account_id
    on account_notes (account_id, target_account_id);
create index index_account_notes_on_target_account_id on account_notes (target_account_id);
alter table account_pins add constraint account_pins_pkey primary key (id);
create unique index index_account_pins_on_account_id_and_target_account_id
    on account_pins (account_id, target_account_id);
create index index_account_pins_on_target_account_id on account_pins (target_account_id);
alter table account_statuses_cleanup_policies add constraint account_statuses_cleanup_policies_pkey primary key (id);
create index index_account_statuses_cleanup_policies_on_account_id
    on account_statuses_cleanup_policies (account_id);
create index index_accounts_tags_on_account_id_and_tag_id on accounts_tags (account_id, tag_id);
alter table canonical_email_blocks add constraint canonical_email_blocks_pkey primary key (id);
create unique index index_canonical_email_blocks_on_canonical_email_hash
    on canonical_email_blocks (canonical_email_hash);
create index index_canonical_email_blocks_on_reference_account_id
    on canonical_email_blocks (reference_account_id);
alter table follow_recommendation_suppressions add constraint follow_recommendation_suppressions_pkey primary key (id);
create unique index index_follow_recommendation_suppressions_on_account_id
    on follow_recommendation_suppressions (account_id);
alter table follows add constraint follows_pkey primary key (id);
create unique index index_follows_on_account_id_and_target_account_id
    on follows (account_id, target_account_id);
create index index_follows_on_target_account_id on follows (target_account_id);
alter table follow_requests add constraint follow_requests_pkey primary key (id);
create unique index index_follow_requests_on_account_id_and_target_account_id
    on follow_requests (account_id, target_account_id);
alter table blocks add constraint blocks_pkey primary key (id);
create unique index index_blocks_on_account_id_and_target_account_id
    on blocks (account_id, target_account_id);
create index index_blocks_on_target_account_id on blocks (target_account_id);
alter table mutes add constraint mutes_pkey primary key (id);
create unique index index_mutes_on_account_id_and_target_account_id
    on mutes (account_id, target_account_id);
create index index_mutes_on_target_account_id on mutes (target_account_id);
alter table lists add constraint lists_pkey primary key (id);
create index index_lists_on_account_id on lists (account_id);
alter table list_accounts add constraint list_accounts_pkey primary key (id);
create unique index index_list_accounts_on_account_id_and_list_id
    on list_accounts (account_id, list_id);
create index index_list_accounts_on_follow_id
    on list_accounts (follow_id) where follow_id is not null;
create index index_list_accounts_on_list_id_and_account_id on list_accounts (list_id, account_id);
alter table featured_tags add constraint featured_tags_pkey primary key (id);
create index index_featured_tags_on_tag_id on featured_tags (tag_id);
alter table tombstones add constraint tombstones_pkey primary key (id);
create index index_tombstones_on_account_id on tombstones (account_id);
create index index_tombstones_on_uri on tombstones (uri);

-- statuses
alter table statuses add constraint statuses_pkey primary key (id);
create index index_statuses_20190820
    on statuses (account_id, id desc, visibility, updated_at) where deleted_at is null;
create index index_statuses_local_20190824 on statuses (id desc, account_id) where
    (local or uri is null)
    and deleted_at is null
    and visibility = 0
    and reblog_of_id is null
    and (not reply or in_reply_to_account_id = account_id);
create index index_statuses_on_account_id on statuses (account_id);
create index index_statuses_on_deleted_at on statuses (deleted_at) where deleted_at is not null;
create index index_statuses_on_in_reply_to_account_id
    on statuses (in_reply_to_account_id) where in_reply_to_account_id is not null;
create index index_statuses_on_in_reply_to_id
    on statuses (in_reply_to_id) where in_reply_to_id is not null;
create index index_statuses_on_reblog_of_id_and_account_id on statuses (reblog_of_id, account_id);
create unique index index_statuses_on_uri on statuses (uri text_pattern_ops) where uri is not null;
create index index_statuses_public_20200119 on statuses (id desc, account_id) where
    deleted_at is null
    and visibility = 0
    and reblog_of_id is null
    and (not reply or in_reply_to_account_id = account_id);
alter table conversations add constraint conversations_pkey primary key (id);
create unique index index_conversations_on_uri
    on conversations (uri text_pattern_ops) where uri is not null;
alter table account_conversations add constraint account_conversations_pkey primary key (id);
create index index_account_conversations_on_conversation_id
    on account_conversations (conversation_id);
create unique index index_unique_conversations
    on account_conversations (account_id, conversation_id, participant_account_ids);
alter table conversation_mutes add constraint conversation_mutes_pkey primary key (id);
create unique index index_conversation_mutes_on_account_id_and_conversation_id
    on conversation_mutes (account_id, conversation_id);
alter table mentions add constraint mentions_pkey primary key (id);
create unique index index_mentions_on_account_id_and_status_id on mentions (account_id, status_id);
create index index_mentions_on_status_id on mentions (status_id);
alter table favourites add constraint favourites_pkey primary key (id);
create index index_favourites_on_account_id_and_id on favourites (account_id, id);
create unique index index_favourites_on_account_id_and_status_id
    on favourites (account_id, status_id);
create index index_favourites_on_status_id on favourites (status_id);
alter table bookmarks add constraint bookmarks_pkey primary key (id);
create unique index index_bookmarks_on_account_id_and_status_id
    on bookmarks (account_id, status_id);
create index index_bookmarks_on_status_id on bookmarks (status_id);
alter table status_pins add constraint status_pins_pkey primary key (id);
create unique index index_status_pins_on_account_id_and_status_id
    on status_pins (account_id, status_id);
create index index_status_pins_on_status_id on status_pins (status_id);
alter table status_stats add constraint status_stats_pkey primary key (id);
create unique index index_status_stats_on_status_id on status_stats (status_id);
alter table status_edits add constraint status_edits_pkey primary key (id);
create index index_status_edits_on_account_id on status_edits (account_id);
create index index_status_edits_on_status_id on status_edits (status_id);
alter table media_attachments add constraint media_attachments_pkey primary key (id);
create index index_media_attachments_on_account_id_and_status_id
    on media_attachments (account_id, status_id desc);
create index index_media_attachments_on_scheduled_status_id
    on media_attachments (scheduled_status_id) where scheduled_status_id is not null;
create unique index index_media_attachments_on_shortcode
    on media_attachments (shortcode text_pattern_ops) where shortcode is not null;
create index index_media_attachments_on_status_id on media_attachments (status_id);
alter table scheduled_statuses add constraint scheduled_statuses_pkey primary key (id);
create index index_scheduled_statuses_on_account_id on scheduled_statuses (account_id);
create index index_scheduled_statuses_on_scheduled_at on scheduled_statuses (scheduled_at);
alter table polls add constraint polls_pkey primary key (id);
create index index_polls_on_account_id on polls (account_id);
create index index_polls_on_status_id on polls (status_id);
alter table poll_votes add constraint poll_votes_pkey primary key (id);
create index index_poll_votes_on_account_id on poll_votes (account_id);
create index index_poll_votes_on_poll_id on poll_votes (poll_id);
alter table notifications add constraint notifications_pkey primary key (id);
create index index_notifications_on_account_id_and_id_and_type
    on notifications (account_id, id desc, type);
create index index_notifications_on_activity_id_and_activity_type
    on notifications (activity_id, activity_type);
create index index_notifications_on_from_account_id on notifications (from_account_id);
alter table tags add constraint tags_pkey primary key (id);
create unique index index_tags_on_name_lower_btree on tags (lower(name) text_pattern_ops);
create index index_statuses_tags_on_status_id on statuses_tags (status_id);
alter table preview_cards add constraint preview_cards_pkey primary key (id);
create unique index index_preview_cards_on_url on preview_cards (url);
alter table preview_card_providers add constraint preview_card_providers_pkey primary key (id);
create unique index index_preview_card_providers_on_domain on preview_card_providers (domain);
alter table custom_filters add constraint custom_filters_pkey primary key (id);
create index index_custom_filters_on_account_id on custom_filters (account_id);

-- users
alter table users add constraint users_pkey primary key (id);
create index index_users_on_account_id on users (account_id);
create unique index index_users_on_confirmation_token on users (confirmation_token);
create index index_users_on_created_by_application_id
    on users (created_by_application_id) where created_by_application_id is not null;
create unique index index_users_on_email on users (email);
create unique index index_users_on_reset_password_token
    on users (reset_password_token text_pattern_ops) where reset_password_token is not null;
alter table invites add constraint invites_pkey primary key (id);
create unique index index_invites_on_code on invites (code);
create index index_invites_on_user_id on invites (user_id);
alter table user_invite_requests add constraint user_invite_requests_pkey primary key (id);
create index index_user_invite_requests_on_user_id on user_invite_requests (user_id);
alter table session_activations add constraint session_activations_pkey primary key (id);
create index index_session_activations_on_access_token_id on session_activations (access_token_id);
create unique index index_session_activations_on_session_id on session_activations (session_id);
create index index_session_activations_on_user_id on session_activations (user_id);
alter table login_activities add constraint login_activities_pkey primary key (id);
create index index_login_activities_on_user_id on login_activities (user_id);
alter table webauthn_credentials add constraint webauthn_credentials_pkey primary key (id);
create unique index index_webauthn_credentials_on_external_id on webauthn_credentials (external_id);
create index index_webauthn_credentials_on_user_id on webauthn_credentials (user_id);
alter table identities add constraint identities_pkey primary key (id);
create index index_identities_on_user_id on identities (user_id);
alter table markers add constraint markers_pkey primary key (id);
create unique index index_markers_on_user_id_and_timeline on markers (user_id, timeline);
alter table web_settings add constraint web_settings_pkey primary key (id);
create unique index index_web_settings_on_user_id on web_settings (user_id);
alter table web_push_subscriptions add constraint web_push_subscriptions_pkey primary key (id);
create index index_web_push_subscriptions_on_access_token_id
    on web_push_subscriptions (access_token_id) where access_token_id is not null;
create index index_web_push_subscriptions_on_user_id on web_push_subscriptions (user_id);
alter table oauth_applications add constraint oauth_applications_pkey primary key (id);
create index index_oauth_applications_on_owner_id_and_owner_type
    on oauth_applications (owner_id, owner_type);
create unique index index_oauth_applications_on_uid on oauth_applications (uid);
alter table oauth_access_tokens add constraint oauth_access_tokens_pkey primary key (id);
create unique index index_oauth_access_tokens_on_refresh_token
    on oauth_access_tokens (refresh_token text_pattern_ops) where refresh_token is not null;
create index index_oauth_access_tokens_on_resource_owner_id
    on oauth_access_tokens (resource_owner_id) where resource_owner_id is not null;
create unique index index_oauth_access_tokens_on_token on oauth_access_tokens (token);
alter table oauth_access_grants add constraint oauth_access_grants_pkey primary key (id);
create index index_oauth_access_grants_on_resource_owner_id
    on oauth_access_grants (resource_owner_id);
create unique index index_oauth_access_grants_on_token on oauth_access_grants (token);
alter table devices add constraint devices_pkey primary key (id);
create index index_devices_on_access_token_id on devices (access_token_id);
create index index_devices_on_account_id on devices (account_id);
alter table encrypted_messages add constraint encrypted_messages_pkey primary key (id);
create index index_encrypted_messages_on_device_id on encrypted_messages (device_id);
create index index_encrypted_messages_on_from_account_id on encrypted_messages (from_account_id);
alter table one_time_keys add constraint one_time_keys_pkey primary key (id);
create index index_one_time_keys_on_device_id on one_time_keys (device_id);
create index index_one_time_keys_on_key_id on one_time_keys (key_id);
alter table system_keys add constraint system_keys_pkey primary key (id);
alter table backups add constraint backups_pkey primary key (id);
alter table imports add constraint imports_pkey primary key (id);

-- site
alter table reports add constraint reports_pkey primary key (id);
create index index_reports_on_account_id on reports (account_id);
create index index_reports_on_action_taken_by_account_id
    on reports (action_taken_by_account_id) where action_taken_by_account_id is not null;
create index index_reports_on_assigned_account_id
    on reports (assigned_account_id) where assigned_account_id is not null;
create index index_reports_on_target_account_id on reports (target_account_id);
alter table report_notes add constraint report_notes_pkey primary key (id);
create index index_report_notes_on_account_id on report_notes (account_id);
create index index_report_notes_on_report_id on report_notes (report_id);
alter table account_warnings add constraint account_warnings_pkey primary key (id);
create index index_account_warnings_on_account_id on account_warnings (account_id);
create index index_account_warnings_on_target_account_id on account_warnings (target_account_id);
alter table account_warning_presets add constraint account_warning_presets_pkey primary key (id);
alter table account_moderation_notes add constraint account_moderation_notes_pkey primary key (id);
create index index_account_moderation_notes_on_account_id on account_moderation_notes (account_id);
create index index_account_moderation_notes_on_target_account_id
    on account_moderation_notes (target_account_id);
alter table appeals add constraint appeals_pkey primary key (id);
create index index_appeals_on_account_id on appeals (account_id);
create unique index index_appeals_on_account_warning_id on appeals (account_warning_id);
create index index_appeals_on_approved_by_account_id
    on appeals (approved_by_account_id) where approved_by_account_id is not null;
create index index_appeals_on_rejected_by_account_id
    on appeals (rejected_by_account_id) where rejected_by_account_id is not null;
alter table admin_action_logs add constraint admin_action_logs_pkey primary key (id);
create index index_admin_action_logs_on_account_id on admin_action_logs (account_id);
create index index_admin_action_logs_on_target_type_and_target_id
    on admin_action_logs (target_type, target_id);
alter table announcements add constraint announcements_pkey primary key (id);
alter table announcement_mutes add constraint announcement_mutes_pkey primary key (id);
create unique index index_announcement_mutes_on_account_id_and_announcement_id
    on announcement_mutes (account_id, announcement_id);
create index index_announcement_mutes_on_announcement_id on announcement_mutes (announcement_id);
alter table announcement_reactions add constraint announcement_reactions_pkey primary key (id);
create unique index index_announcement_reactions_on_account_id_and_announcement_id
    on announcement_reactions (account_id, announcement_id, name);
create index index_announcement_reactions_on_announcement_id
    on announcement_reactions (announcement_id);
create index index_announcement_reactions_on_custom_emoji_id
    on announcement_reactions (custom_emoji_id) where custom_emoji_id is not null;
alter table custom_emoji_categories add constraint custom_emoji_categories_pkey primary key (id);
create unique index index_custom_emoji_categories_on_name on custom_emoji_categories (name);
alter table custom_emojis add constraint custom_emojis_pkey primary key (id);
create unique index index_custom_emojis_on_shortcode_and_domain
    on custom_emojis (shortcode, domain);
alter table domain_allows add constraint domain_allows_pkey primary key (id);
create unique index index_domain_allows_on_domain on domain_allows (domain);
alter table domain_blocks add constraint domain_blocks_pkey primary key (id);
create unique index index_domain_blocks_on_domain on domain_blocks (domain);
alter table email_domain_blocks add constraint email_domain_blocks_pkey primary key (id);
create unique index index_email_domain_blocks_on_domain on email_domain_blocks (domain);
alter table ip_blocks add constraint ip_blocks_pkey primary key (id);
alter table unavailable_domains add constraint unavailable_domains_pkey primary key (id);
create unique index index_unavailable_domains_on_domain on unavailable_domains (domain);
alter table relays add constraint relays_pkey primary key (id);
alter table rules add constraint rules_pkey primary key (id);
alter table settings add constraint settings_pkey primary key (id);
create unique index index_settings_on_thing_type_and_thing_id_and_var
    on settings (thing_type, thing_id, var);
alter table site_uploads add constraint site_uploads_pkey primary key (id);
create unique index index_site_uploads_on_var on site_uploads (var);
alter table pghero_space_stats add constraint pghero_space_stats_pkey primary key (id);
create index index_pghero_space_stats_on_database_and_captured_at
    on pghero_space_stats (database, captured_at);

-- Rails
alter table schema_migrations add constraint schema_migrations_pkey primary key (version);
alter table ar_internal_metadata add constraint ar_internal_metadata_pkey primary key (key);
