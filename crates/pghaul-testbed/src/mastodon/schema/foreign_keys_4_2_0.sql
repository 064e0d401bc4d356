-- Foreign keys that 4.2.0 has beyond 3.5.3.

alter table users add constraint fk_rails_642f17018b
    foreign key (role_id) references user_roles (id) on delete set null;
alter table tag_follows add constraint fk_rails_091e831473
    foreign key (account_id) references accounts (id) on delete cascade;
alter table tag_follows add constraint fk_rails_0deefe597f
    foreign key (tag_id) references tags (id) on delete cascade;
alter table status_trends add constraint fk_rails_a6b527ea49
    foreign key (account_id) references accounts (id) on delete cascade;
alter table status_trends add constraint fk_rails_68c610dc1a
    foreign key (status_id) references statuses (id) on delete cascade;
alter table preview_card_trends add constraint fk_rails_371593db34
    foreign key (preview_card_id) references preview_cards (id) on delete cascade;
alter table custom_filter_statuses add constraint fk_rails_e2ddaf5b14
    foreign key (custom_filter_id) references custom_filters (id) on delete cascade;
alter table custom_filter_statuses add constraint fk_rails_2f6d20c0cf
    foreign key (status_id) references statuses (id) on delete cascade;
alter table bulk_imports add constraint fk_rails_1d89c0f8b2
    foreign key (account_id) references accounts (id) on delete cascade;
alter table bulk_import_rows add constraint fk_rails_d39af34335
    foreign key (bulk_import_id) references bulk_imports (id) on delete cascade;
alter table custom_filter_keywords add constraint fk_rails_5a49a74012
    foreign key (custom_filter_id) references custom_filters (id) on delete cascade;
alter table list_accounts add constraint fk_rails_f11f9d1fcc
    foreign key (follow_request_id) references follow_requests (id) on delete cascade;
