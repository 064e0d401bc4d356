-- How many more sessions may be opened (10 to 15; the kind of others' sessions is hidden from most roles). Columns: none, free on the server, free for the role or -1, free for the database or -1, slots for us, limit of the role or -1, limit of the database or -1.
with slots as (
    select current_setting('max_connections')::int
         - case when r.rolsuper then 0 else current_setting('superuser_reserved_connections')::int end
           as usable
         , r.oid as role, d.oid as base
           -- The limits of roles and databases do not bind superusers.
         , case when r.rolsuper then -1 else r.rolconnlimit end as rolconnlimit
         , case when r.rolsuper then -1 else d.datconnlimit end as datconnlimit
    from pg_roles as r, pg_database as d
    where r.rolname = current_user and d.datname = current_database()
)
select null
     , s.usable - (select count(*) from pg_stat_activity as a where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid is not null)
     , case when s.rolconnlimit < 0 then -1
            else s.rolconnlimit - (select count(*) from pg_stat_activity as a where coalesce(a.backend_type, 'client backend') = 'client backend' and a.usesysid = s.role) end
     , case when s.datconnlimit < 0 then -1
            else s.datconnlimit - (select count(*) from pg_stat_activity as a where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid = s.base) end
     , s.usable, s.rolconnlimit, s.datconnlimit
from slots as s
