-- Children whose column may be null while the parent's may not; made anew, a child inherits NOT NULL. Columns: schema, table, column, parent.
select n.nspname, c.relname, a.attname, i.inhparent::regclass::text
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = i.inhrelid
join pg_attribute as p on p.attrelid = i.inhparent and p.attname = a.attname
where a.attnum > 0
  and p.attnum > 0
  and p.attnotnull
  and not a.attnotnull
order by 1, 2, 3
