-- Indexes that pg_dump leaves out because they are not valid. Columns: schema, table, index.
select n.nspname, c.relname, ic.relname
from pg_index as i
join pg_class as ic on ic.oid = i.indexrelid
join pg_class as c on c.oid = i.indrelid
join pg_namespace as n on n.oid = c.relnamespace
where not (i.indisvalid and i.indisready)
  and c.relkind <> 'p'
  and n.nspname !~ '^pg_toast'
order by 1, 2, 3
