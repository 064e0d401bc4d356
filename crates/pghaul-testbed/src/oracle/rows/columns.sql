-- The columns of all those relations, generated ones too. $1: schemas left out.
select a.attrelid as relation, a.attname, a.atttypid as type
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
  and a.attnum > 0
  and not a.attisdropped
order by a.attrelid, a.attname::text collate "C"
