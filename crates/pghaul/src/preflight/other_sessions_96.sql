-- Sessions of others in the source's database, by application (9.6). Columns: application, role, sessions, of these in a transaction.
select coalesce(nullif(application_name, ''), 'no name')
     , coalesce(usename, 'unknown')
     , count(*)
     , count(*) filter (where xact_start is not null)
from pg_stat_activity
where datname = current_database()
  and pid <> pg_backend_pid()
  and usename is not null
  and application_name !~ '^pghaul( |$)'
group by 1, 2
order by 1, 2
