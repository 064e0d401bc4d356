-- References that no foreign key keeps, and that refer to nothing: what, of which row, to which id.
with reference as (
    select 'reports.status_ids' as what, x.id as row, u.id::text as refers, 'statuses' as to_table
      from only reports x cross join unnest(x.status_ids) as u (id)
    union all select 'account_warnings.status_ids', x.id, u.id, 'statuses'
      from only account_warnings x cross join unnest(x.status_ids) as u (id)
    union all select 'announcements.status_ids', x.id, u.id::text, 'statuses'
      from only announcements x cross join unnest(x.status_ids) as u (id)
    union all select 'account_conversations.status_ids', x.id, u.id::text, 'statuses'
      from only account_conversations x cross join unnest(x.status_ids) as u (id)
    union all select 'account_conversations.last_status_id', x.id, x.last_status_id::text, 'statuses'
      from only account_conversations x where x.last_status_id is not null
    union all select 'account_conversations.participant_account_ids', x.id, u.id::text, 'accounts'
      from only account_conversations x cross join unnest(x.participant_account_ids) as u (id)
    union all select 'statuses.ordered_media_attachment_ids', x.id, u.id::text, 'media_attachments'
      from only statuses x cross join unnest(x.ordered_media_attachment_ids) as u (id)
    union all select 'statuses.conversation_id', x.id, x.conversation_id::text, 'conversations'
      from only statuses x where x.conversation_id is not null
    union all select 'statuses.poll_id', x.id, x.poll_id::text, 'polls'
      from only statuses x where x.poll_id is not null
    union all select 'preview_cards_statuses.status_id', x.preview_card_id, x.status_id::text, 'statuses'
      from only preview_cards_statuses x
    union all select 'preview_cards_statuses.preview_card_id', x.status_id, x.preview_card_id::text, 'preview_cards'
      from only preview_cards_statuses x
    union all select 'accounts_tags.tag_id', x.account_id, x.tag_id::text, 'tags' from only accounts_tags x
    union all select 'accounts_tags.account_id', x.tag_id, x.account_id::text, 'accounts' from only accounts_tags x
    union all select 'notifications.activity_id ' || x.activity_type, x.id, x.activity_id::text
         , case x.activity_type when 'Status' then 'statuses' when 'Favourite' then 'favourites'
               when 'Mention' then 'mentions' when 'Follow' then 'follows'
               when 'FollowRequest' then 'follow_requests' when 'Poll' then 'polls' end
      from only notifications x
     where x.activity_type in ('Status', 'Favourite', 'Mention', 'Follow', 'FollowRequest', 'Poll')
    union all select 'admin_action_logs.target_id ' || x.target_type, x.id, x.target_id::text
         , case x.target_type when 'Status' then 'statuses' when 'Account' then 'accounts' end
      from only admin_action_logs x where x.target_type in ('Status', 'Account')
), id as (
    select 'statuses' as of_table, id::text from only statuses
    union select 'accounts', id::text from only accounts
    union select 'media_attachments', id::text from only media_attachments
    union select 'conversations', id::text from only conversations
    union select 'polls', id::text from only polls
    union select 'preview_cards', id::text from only preview_cards
    union select 'tags', id::text from only tags
    union select 'favourites', id::text from only favourites
    union select 'mentions', id::text from only mentions
    union select 'follows', id::text from only follows
    union select 'follow_requests', id::text from only follow_requests
)
select r.what, r.row::text, r.refers
  from reference r
 where not exists (select from id where id.of_table = r.to_table and id.id = r.refers)
 order by 1, 2, 3
