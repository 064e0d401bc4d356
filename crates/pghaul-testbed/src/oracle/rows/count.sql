-- How many tables and columns there are to compare, counted without regard to how they are listed.
-- $1: schemas left out, $2: tables left out as schema.table.
select count(distinct c.oid) as tables, count(a.attnum) as columns
from pg_class c
left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p', 'm')
  and c.relispopulated
  and c.oid >= 16384
  and not exists (
      select
      from pg_namespace n
      where n.oid = c.relnamespace
        and (n.nspname ~ '^pg_temp' or n.nspname = any ($1) or n.nspname || '.' || c.relname = any ($2))
  )
