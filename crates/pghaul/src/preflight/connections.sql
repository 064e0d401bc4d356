-- How many more sessions may be opened (the kind of others' sessions is hidden from most roles). Columns: none, free on the server, free for the role or -1, free for the database or -1, slots for us, limit of the role or -1, limit of the database or -1.
with slots as (
    select current_setting('max_connections')::int
         - case when r.rolsuper then 0 else current_setting('superuser_reserved_connections')::int end
         - case when r.rolsuper or pg_has_role(r.oid, 'pg_use_reserved_connections', 'usage') then 0 -- from 16
                else current_setting('reserved_connections')::int end -- from 16
           as usable
         , r.oid as role, d.oid as base
           -- The limits of roles and databases do not bind superusers.
         , case when r.rolsuper then -1 else r.rolconnlimit end as rolconnlimit
         , case when r.rolsuper then -1 else d.datconnlimit end as datconnlimit
    from pg_roles as r, pg_database as d
    where r.rolname = current_user and d.datname = current_database()
)
select null
     , s.usable - (select count(*) from pg_stat_activity as a where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid is not null) -- from 10
     , s.usable - (select count(*) from pg_stat_activity) -- before 10
     , case when s.rolconnlimit < 0 then -1
            else s.rolconnlimit - (select count(*) from pg_stat_activity as a where coalesce(a.backend_type, 'client backend') = 'client backend' and a.usesysid = s.role) end -- from 10
            else s.rolconnlimit - (select count(*) from pg_stat_activity as a where a.usesysid = s.role) end -- before 10
     , case when s.datconnlimit < 0 then -1
            else s.datconnlimit - (select count(*) from pg_stat_activity as a where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid = s.base) end -- from 10
            else s.datconnlimit - (select count(*) from pg_stat_activity as a where a.datid = s.base) end -- before 10
     , s.usable, s.rolconnlimit, s.datconnlimit
from slots as s
