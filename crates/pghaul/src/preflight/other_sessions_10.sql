-- Sessions of others in the source's database, by application (10 and newer; the kind of others' sessions is hidden from most roles). Columns: application, role, sessions, of these in a transaction.
select coalesce(nullif(application_name, ''), 'no name')
     , coalesce(usename, 'unknown')
     , count(*)
     , count(*) filter (where xact_start is not null)
from pg_stat_activity
where datname = current_database()
  and coalesce(backend_type, 'client backend') in ('client backend', 'walsender')
  and usename is not null
  and pid <> pg_backend_pid()
  and application_name !~ '^pghaul( |$)'
group by 1, 2
order by 1, 2
