-- Transactions of others in this database that are older than an hour. Columns: none, pid, role, application, minutes.
select null
     , pid
     , coalesce(usename, 'unknown')
     , coalesce(nullif(application_name, ''), 'no name')
     , (extract(epoch from now() - xact_start) / 60)::bigint
from pg_stat_activity
where datname = current_database()
  and pid <> pg_backend_pid()
  and xact_start < now() - interval '1 hour'
order by xact_start
