-- Indexes that 4.2.0 no longer has in this form.

create unique index index_accounts_tags_on_tag_id_and_account_id
    on accounts_tags (tag_id, account_id);
create index index_featured_tags_on_account_id on featured_tags (account_id);
create unique index index_statuses_tags_on_tag_id_and_status_id
    on statuses_tags (tag_id, status_id);
create index index_preview_cards_statuses_on_status_id_and_preview_card_id
    on preview_cards_statuses (status_id, preview_card_id);
