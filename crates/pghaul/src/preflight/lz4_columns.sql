-- Columns that compress by lz4 (14 and newer). Columns: schema, table, column.
select n.nspname, c.relname, a.attname
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
where a.attcompression = 'l'
  and a.attrelid >= 16384
  and c.relkind in ('r', 'p', 'm')
  and not a.attisdropped
order by 1, 2, 3
