-- Columns of type xml. Columns: schema, table, column.
select n.nspname, c.relname, a.attname
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
where a.atttypid in ('xml'::regtype, 'xml[]'::regtype)
  and a.attnum > 0
  and not a.attisdropped
  and c.relkind in ('r', 'p', 'm')
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
order by 1, 2, 3
