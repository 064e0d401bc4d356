-- Unlogged tables and sequences: a standby has nothing of them. Columns: schema, name.
select n.nspname, c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relpersistence = 'u'
  and c.relkind in ('r', 'm', 'S')
  and pg_is_in_recovery()
order by 1, 2
