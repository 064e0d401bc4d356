-- What 3.5.3 has and 4.2.0 has not.

update users
set filtered_languages = '{de,"pt-BR"}'
where id % 5 = 0;

insert into custom_filters (
    id, account_id, expires_at, phrase, context, whole_word, irreversible, created_at, updated_at
)
select
    k, account_id, case when k % 2 = 0 then timestamp '2022-12-01' end, (array['football', '日本', 'a "b" \c'])[1 + k % 3],
    '{home,notifications}', k % 3 > 0, k % 4 = 0, created_at, created_at
from resident
where k % 2 = 0;

update admin_action_logs
set recorded_changes = E'--- !ruby/object:DomainBlock\nid: ' || id || E'\nseverity: suspend\n'
where target_type = 'DomainBlock';

-- Nothing forbade the same card twice.
insert into preview_cards_statuses (preview_card_id, status_id)
select preview_card_id, status_id
from preview_cards_statuses
where (preview_card_id + status_id) % 53 = 0;

insert into schema_migrations (version) values ('20220429101850');
