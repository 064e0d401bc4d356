-- Timeouts that would end sessions if pghaul did not lift them. Columns: none, setting, value.
select null, name, reset_val || coalesce(' ' || unit, '')
from pg_settings
where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
               'idle_session_timeout', 'transaction_timeout')
  and reset_val not in ('0', '-1')
order by name
