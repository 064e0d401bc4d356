-- What a Mastodon knows, by names that merging does not change: one line a kind of fact, with the
-- number of different facts and their digest. The same before and after a repair.
with account as (
    select id, lower(username) || '@' || coalesce(lower(domain), '') as name from only accounts
), status as (
    select id, coalesce(uri, 'id ' || id) as name, deleted_at from only statuses
), conversation as (
    select id, coalesce(uri, 'id ' || id) as name from only conversations
), fact as (
    select 'account' as kind, name as fact from account
    union select 'status', name from status
    union select 'live status', name from status where deleted_at is null
    union select 'conversation', name from conversation
    union select 'tag', lower(name) from only tags
    union select 'card', url from only preview_cards
    union select 'author', s.name || ' ' || a.name
      from only statuses x join status s on s.id = x.id join account a on a.id = x.account_id
    union select 'favourite', a.name || ' ' || s.name
      from only favourites x join account a on a.id = x.account_id join status s on s.id = x.status_id
    union select 'mention', a.name || ' ' || s.name
      from only mentions x join account a on a.id = x.account_id join status s on s.id = x.status_id
    union select 'bookmark', a.name || ' ' || s.name
      from only bookmarks x join account a on a.id = x.account_id join status s on s.id = x.status_id
    union select 'pin', a.name || ' ' || s.name
      from only status_pins x join account a on a.id = x.account_id join status s on s.id = x.status_id
    union select 'hashtag', lower(t.name) || ' ' || s.name
      from only statuses_tags x join tags t on t.id = x.tag_id join status s on s.id = x.status_id
    union select 'profile tag', lower(t.name) || ' ' || a.name
      from only accounts_tags x join tags t on t.id = x.tag_id join account a on a.id = x.account_id
    union select 'attachment', x.id || ' ' || coalesce(s.name, 'none') || ' ' || coalesce(a.name, 'none')
      from only media_attachments x
      left join status s on s.id = x.status_id
      left join account a on a.id = x.account_id
    union select 'card of', c.url || ' ' || s.name
      from only preview_cards_statuses x
      join preview_cards c on c.id = x.preview_card_id join status s on s.id = x.status_id
    union select 'edit', x.id || ' ' || s.name
      from only status_edits x join status s on s.id = x.status_id
    union select 'poll', s.name || ' ' || x.options::text
      from only polls x join status s on s.id = x.status_id
    union select 'vote', a.name || ' ' || s.name || ' ' || x.choice
      from only poll_votes x join account a on a.id = x.account_id
      join polls p on p.id = x.poll_id join status s on s.id = p.status_id
    union select 'thread', s.name || ' ' || c.name
      from only statuses x join status s on s.id = x.id join conversation c on c.id = x.conversation_id
    union select 'reply', s.name || ' ' || p.name
      from only statuses x join status s on s.id = x.id join status p on p.id = x.in_reply_to_id
     where s.name <> p.name
    union select 'reblog', s.name || ' ' || p.name
      from only statuses x join status s on s.id = x.id join status p on p.id = x.reblog_of_id
     where s.name <> p.name
    union select 'muted thread', a.name || ' ' || c.name
      from only conversation_mutes x
      join account a on a.id = x.account_id join conversation c on c.id = x.conversation_id
    union select 'direct message', a.name || ' ' || c.name || ' ' || s.name
      from only account_conversations x
      join account a on a.id = x.account_id join conversation c on c.id = x.conversation_id
      cross join unnest(x.status_ids) as u (id) join status s on s.id = u.id
    union select 'follow', a.name || ' ' || t.name
      from only follows x join account a on a.id = x.account_id join account t on t.id = x.target_account_id
     where a.name <> t.name
    union select 'block', a.name || ' ' || t.name
      from only blocks x join account a on a.id = x.account_id join account t on t.id = x.target_account_id
     where a.name <> t.name
    union select 'notification', x.id || ' ' || a.name || ' ' || f.name
      from only notifications x
      join account a on a.id = x.account_id join account f on f.id = x.from_account_id
    union select 'notified of', x.id || ' ' || s.name
      from only notifications x join status s on s.id = x.activity_id
     where x.activity_type = 'Status'
    union select 'notified of favourite', x.id || ' ' || a.name || ' ' || s.name
      from only notifications x join favourites f on f.id = x.activity_id
      join account a on a.id = f.account_id join status s on s.id = f.status_id
     where x.activity_type = 'Favourite'
    union select 'notified of mention', x.id || ' ' || a.name || ' ' || s.name
      from only notifications x join mentions f on f.id = x.activity_id
      join account a on a.id = f.account_id join status s on s.id = f.status_id
     where x.activity_type = 'Mention'
    union select 'notified of follow', x.id || ' ' || a.name
      from only notifications x join follows f on f.id = x.activity_id join account a on a.id = f.account_id
      join account t on t.id = f.target_account_id
     where x.activity_type = 'Follow' and a.name <> t.name
    union select 'reported', x.id || ' ' || s.name
      from only reports x cross join unnest(x.status_ids) as u (id) join status s on s.id = u.id
    union select 'warned of', x.id || ' ' || s.name
      from only account_warnings x cross join unnest(x.status_ids) as u (id) join status s on s.id::text = u.id
    union select 'moderation note', x.id || ' ' || a.name || ' ' || t.name
      from only account_moderation_notes x
      join account a on a.id = x.account_id join account t on t.id = x.target_account_id
)
select kind, count(*), md5(string_agg(md5(fact), '' order by md5(fact) collate "C"))
  from fact
 group by kind
 order by kind collate "C"
