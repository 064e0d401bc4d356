-- Generated columns of children whose parent's column is not generated (12 and newer; 16 refuses them). Columns: schema, table, column, parent.
select n.nspname, c.relname, a.attname, i.inhparent::regclass::text
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = i.inhrelid
join pg_attribute as p on p.attrelid = i.inhparent and p.attname = a.attname
where a.attnum > 0
  and p.attnum > 0
  and a.attgenerated <> ''
  and p.attgenerated = ''
order by 1, 2, 3
