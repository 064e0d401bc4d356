-- Foreign keys that 3.5.3 and 4.2.0 have in common.

-- accounts
alter table accounts add constraint fk_rails_2320833084
    foreign key (moved_to_account_id) references accounts (id) on delete set null;
alter table account_stats add constraint fk_rails_215bb31ff1
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_aliases add constraint fk_rails_fc91575d08
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_deletion_requests add constraint fk_rails_45bf2626b9
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_domain_blocks add constraint fk_206c6029bd
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_migrations add constraint fk_rails_c9f701caaf
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_migrations add constraint fk_rails_d9a8dad070
    foreign key (target_account_id) references accounts (id) on delete set null;
alter table account_notes add constraint fk_rails_4ee4503c69
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_notes add constraint fk_rails_2801b48f1a
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table account_pins add constraint fk_rails_d44979e5dd
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_pins add constraint fk_rails_a176e26c37
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table account_statuses_cleanup_policies add constraint fk_rails_23d5f73cfe
    foreign key (account_id) references accounts (id) on delete cascade;
alter table canonical_email_blocks add constraint fk_rails_1ecb262096
    foreign key (reference_account_id) references accounts (id) on delete cascade;
alter table follow_recommendation_suppressions add constraint fk_rails_dfb9a1dbe2
    foreign key (account_id) references accounts (id) on delete cascade;
alter table follows add constraint fk_745ca29eac
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table follows add constraint fk_32ed1b5560
    foreign key (account_id) references accounts (id) on delete cascade;
alter table follow_requests add constraint fk_9291ec025d
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table follow_requests add constraint fk_76d644b0e7
    foreign key (account_id) references accounts (id) on delete cascade;
alter table blocks add constraint fk_9571bfabc1
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table blocks add constraint fk_4269e03e65
    foreign key (account_id) references accounts (id) on delete cascade;
alter table mutes add constraint fk_eecff219ea
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table mutes add constraint fk_b8d8daf315
    foreign key (account_id) references accounts (id) on delete cascade;
alter table lists add constraint fk_3853b78dac
    foreign key (account_id) references accounts (id) on delete cascade;
alter table list_accounts add constraint fk_rails_85fee9d6ab
    foreign key (account_id) references accounts (id) on delete cascade;
alter table list_accounts add constraint fk_rails_40f9cc29f1
    foreign key (follow_id) references follows (id) on delete cascade;
alter table list_accounts add constraint fk_rails_e54e356c88
    foreign key (list_id) references lists (id) on delete cascade;
alter table featured_tags add constraint fk_rails_174efcf15f
    foreign key (account_id) references accounts (id) on delete cascade;
alter table featured_tags add constraint fk_rails_23a9055c7c
    foreign key (tag_id) references tags (id) on delete cascade;
alter table tombstones add constraint fk_rails_f95b861449
    foreign key (account_id) references accounts (id) on delete cascade;

-- statuses
alter table statuses add constraint fk_c7fa917661
    foreign key (in_reply_to_account_id) references accounts (id) on delete set null;
alter table statuses add constraint fk_9bda1543f7
    foreign key (account_id) references accounts (id) on delete cascade;
alter table statuses add constraint fk_rails_94a6f70399
    foreign key (in_reply_to_id) references statuses (id) on delete set null;
alter table statuses add constraint fk_rails_256483a9ab
    foreign key (reblog_of_id) references statuses (id) on delete cascade;
alter table account_conversations add constraint fk_rails_6f5278b6e9
    foreign key (account_id) references accounts (id) on delete cascade;
alter table account_conversations add constraint fk_rails_1491654f9f
    foreign key (conversation_id) references conversations (id) on delete cascade;
alter table conversation_mutes add constraint fk_225b4212bb
    foreign key (account_id) references accounts (id) on delete cascade;
alter table conversation_mutes add constraint fk_rails_5ab139311f
    foreign key (conversation_id) references conversations (id) on delete cascade;
alter table mentions add constraint fk_970d43f9d1
    foreign key (account_id) references accounts (id) on delete cascade;
alter table mentions add constraint fk_rails_59edbe2887
    foreign key (status_id) references statuses (id) on delete cascade;
alter table favourites add constraint fk_5eb6c2b873
    foreign key (account_id) references accounts (id) on delete cascade;
alter table favourites add constraint fk_b0e856845e
    foreign key (status_id) references statuses (id) on delete cascade;
alter table bookmarks add constraint fk_rails_9f6ac182a6
    foreign key (account_id) references accounts (id) on delete cascade;
alter table bookmarks add constraint fk_rails_11207ffcfd
    foreign key (status_id) references statuses (id) on delete cascade;
alter table status_pins add constraint fk_d4cb435b62
    foreign key (account_id) references accounts (id) on delete cascade;
alter table status_pins add constraint fk_rails_65c05552f1
    foreign key (status_id) references statuses (id) on delete cascade;
alter table status_stats add constraint fk_rails_4a247aac42
    foreign key (status_id) references statuses (id) on delete cascade;
alter table status_edits add constraint fk_rails_dc8988c545
    foreign key (account_id) references accounts (id) on delete set null;
alter table status_edits add constraint fk_rails_a960f234a0
    foreign key (status_id) references statuses (id) on delete cascade;
alter table media_attachments add constraint fk_96dd81e81b
    foreign key (account_id) references accounts (id) on delete set null;
alter table media_attachments add constraint fk_rails_31fc5aeef1
    foreign key (scheduled_status_id) references scheduled_statuses (id) on delete set null;
alter table media_attachments add constraint fk_rails_3ec0cfdd70
    foreign key (status_id) references statuses (id) on delete set null;
alter table scheduled_statuses add constraint fk_rails_23bd9018f9
    foreign key (account_id) references accounts (id) on delete cascade;
alter table polls add constraint fk_rails_5b19a0c011
    foreign key (account_id) references accounts (id) on delete cascade;
alter table polls add constraint fk_rails_3e0d9f1115
    foreign key (status_id) references statuses (id) on delete cascade;
alter table poll_votes add constraint fk_rails_b6c18cf44a
    foreign key (account_id) references accounts (id) on delete cascade;
alter table poll_votes add constraint fk_rails_a6e6974b7e
    foreign key (poll_id) references polls (id) on delete cascade;
alter table notifications add constraint fk_fbd6b0bf9e
    foreign key (from_account_id) references accounts (id) on delete cascade;
alter table notifications add constraint fk_c141c8ee55
    foreign key (account_id) references accounts (id) on delete cascade;
alter table statuses_tags add constraint fk_rails_df0fe11427
    foreign key (status_id) references statuses (id) on delete cascade;
alter table statuses_tags add constraint fk_3081861e21
    foreign key (tag_id) references tags (id) on delete cascade;
alter table custom_filters add constraint fk_rails_8b8d786993
    foreign key (account_id) references accounts (id) on delete cascade;

-- users
alter table users add constraint fk_50500f500d
    foreign key (account_id) references accounts (id) on delete cascade;
alter table users add constraint fk_rails_8fb2a43e88
    foreign key (invite_id) references invites (id) on delete set null;
alter table users add constraint fk_rails_ecc9536e7c
    foreign key (created_by_application_id) references oauth_applications (id) on delete set null;
alter table invites add constraint fk_rails_ff69dbb2ac
    foreign key (user_id) references users (id) on delete cascade;
alter table user_invite_requests add constraint fk_rails_3773f15361
    foreign key (user_id) references users (id) on delete cascade;
alter table session_activations add constraint fk_957e5bda89
    foreign key (access_token_id) references oauth_access_tokens (id) on delete cascade;
alter table session_activations add constraint fk_e5fda67334
    foreign key (user_id) references users (id) on delete cascade;
alter table login_activities add constraint fk_rails_e4b6396b41
    foreign key (user_id) references users (id) on delete cascade;
alter table webauthn_credentials add constraint fk_rails_a4355aef77
    foreign key (user_id) references users (id);
alter table identities add constraint fk_bea040f377
    foreign key (user_id) references users (id) on delete cascade;
alter table markers add constraint fk_rails_a7009bc2b6
    foreign key (user_id) references users (id) on delete cascade;
alter table web_settings add constraint fk_11910667b2
    foreign key (user_id) references users (id) on delete cascade;
alter table web_push_subscriptions add constraint fk_rails_751a9f390b
    foreign key (access_token_id) references oauth_access_tokens (id) on delete cascade;
alter table web_push_subscriptions add constraint fk_rails_b006f28dac
    foreign key (user_id) references users (id) on delete cascade;
alter table oauth_applications add constraint fk_b0988c7c0a
    foreign key (owner_id) references users (id) on delete cascade;
alter table oauth_access_tokens add constraint fk_f5fc4c1ee3
    foreign key (application_id) references oauth_applications (id) on delete cascade;
alter table oauth_access_tokens add constraint fk_e84df68546
    foreign key (resource_owner_id) references users (id) on delete cascade;
alter table oauth_access_grants add constraint fk_34d54b0a33
    foreign key (application_id) references oauth_applications (id) on delete cascade;
alter table oauth_access_grants add constraint fk_63b044929b
    foreign key (resource_owner_id) references users (id) on delete cascade;
alter table devices add constraint fk_rails_393f74df68
    foreign key (access_token_id) references oauth_access_tokens (id) on delete cascade;
alter table devices add constraint fk_rails_a796b75798
    foreign key (account_id) references accounts (id) on delete cascade;
alter table encrypted_messages add constraint fk_rails_a83e4df7ae
    foreign key (device_id) references devices (id) on delete cascade;
alter table encrypted_messages add constraint fk_rails_a42ad0f8d5
    foreign key (from_account_id) references accounts (id) on delete cascade;
alter table one_time_keys add constraint fk_rails_d3edd8c878
    foreign key (device_id) references devices (id) on delete cascade;
alter table backups add constraint fk_rails_096669d221
    foreign key (user_id) references users (id) on delete set null;
alter table imports add constraint fk_6db1b6e408
    foreign key (account_id) references accounts (id) on delete cascade;

-- site
alter table reports add constraint fk_bca45b75fd
    foreign key (action_taken_by_account_id) references accounts (id) on delete set null;
alter table reports add constraint fk_rails_4e7a498fb4
    foreign key (assigned_account_id) references accounts (id) on delete set null;
alter table reports add constraint fk_eb37af34f0
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table reports add constraint fk_4b81f7522c
    foreign key (account_id) references accounts (id) on delete cascade;
alter table report_notes add constraint fk_rails_cae66353f3
    foreign key (account_id) references accounts (id) on delete cascade;
alter table report_notes add constraint fk_rails_7fa83a61eb
    foreign key (report_id) references reports (id) on delete cascade;
alter table account_warnings add constraint fk_rails_a7ebbb1e37
    foreign key (target_account_id) references accounts (id) on delete cascade;
alter table account_warnings add constraint fk_rails_a65a1bf71b
    foreign key (account_id) references accounts (id) on delete set null;
alter table account_warnings add constraint fk_rails_8f2bab4b16
    foreign key (report_id) references reports (id) on delete cascade;
alter table account_moderation_notes add constraint fk_rails_3f8b75089b
    foreign key (account_id) references accounts (id);
alter table account_moderation_notes add constraint fk_rails_dd62ed5ac3
    foreign key (target_account_id) references accounts (id);
alter table appeals add constraint fk_rails_ea84881569
    foreign key (account_id) references accounts (id) on delete cascade;
alter table appeals add constraint fk_rails_a99f14546e
    foreign key (account_warning_id) references account_warnings (id) on delete cascade;
alter table appeals add constraint fk_rails_9deb2f63ad
    foreign key (approved_by_account_id) references accounts (id) on delete set null;
alter table appeals add constraint fk_rails_501c3a6e13
    foreign key (rejected_by_account_id) references accounts (id) on delete set null;
alter table admin_action_logs add constraint fk_rails_a7667297fa
    foreign key (account_id) references accounts (id) on delete cascade;
alter table announcement_mutes add constraint fk_rails_9c99f8e835
    foreign key (account_id) references accounts (id) on delete cascade;
alter table announcement_mutes add constraint fk_rails_e35401adf1
    foreign key (announcement_id) references announcements (id) on delete cascade;
alter table announcement_reactions add constraint fk_rails_7444ad831f
    foreign key (account_id) references accounts (id) on delete cascade;
alter table announcement_reactions add constraint fk_rails_a1226eaa5c
    foreign key (announcement_id) references announcements (id) on delete cascade;
alter table announcement_reactions add constraint fk_rails_b742c91c0e
    foreign key (custom_emoji_id) references custom_emojis (id) on delete cascade;
alter table email_domain_blocks add constraint fk_rails_408efe0a15
    foreign key (parent_id) references email_domain_blocks (id) on delete cascade;
