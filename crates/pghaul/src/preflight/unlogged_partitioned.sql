-- Partitioned tables declared unlogged (10 to 17). Columns: schema, table.
select n.nspname, c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'p'
  and c.relpersistence = 'u'
order by 1, 2
