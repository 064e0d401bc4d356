-- What refers to accounts and statuses, mostly without a foreign key that would say so: one line for
-- each column and row, the ids as an array. How arrays are compared once rows are merged: `is` what it
-- was, each id once; or `has` all that it had, where rows are merged too.
select 'reports.status_ids' as what, id, 'statuses' as to_table, 'is' as how, status_ids::text[] as ids from only reports
union all select 'account_warnings.status_ids', id, 'statuses', 'is', status_ids::text[] from only account_warnings
union all select 'announcements.status_ids', id, 'statuses', 'is', status_ids::text[] from only announcements
union all select 'account_conversations.status_ids', id, 'statuses', 'has', status_ids::text[] from only account_conversations
union all select 'account_conversations.last_status_id', id, 'statuses', 'is', array[last_status_id]::text[]
  from only account_conversations
union all select 'account_conversations.participants', id, 'accounts', 'has', participant_account_ids::text[]
  from only account_conversations
union all select 'admin_action_logs.target_id', id, 'statuses', 'is', array[target_id]::text[]
  from only admin_action_logs where target_type = 'Status'
union all select 'admin_action_logs.target_id', id, 'accounts', 'is', array[target_id]::text[]
  from only admin_action_logs where target_type = 'Account'
union all select 'statuses.in_reply_to_account_id', id, 'accounts', 'is', array[in_reply_to_account_id]::text[]
  from only statuses
union all select 'accounts.moved_to_account_id', id, 'accounts', 'is', array[moved_to_account_id]::text[] from only accounts
union all select 'account_migrations.target_account_id', id, 'accounts', 'is', array[target_account_id]::text[]
  from only account_migrations
union all select 'reports.target_account_id', id, 'accounts', 'is', array[target_account_id]::text[] from only reports
union all select 'account_warnings.target_account_id', id, 'accounts', 'is', array[target_account_id]::text[]
  from only account_warnings
