-- Foreign keys of other tables that change or delete their own rows when those of the tables $1 go.
select c.conname || ' of ' || c.conrelid::pg_catalog.regclass::text
  from pg_catalog.pg_constraint c
 where c.contype = 'f'
   and c.confrelid = any ($1::pg_catalog.text[]::pg_catalog.regclass[])
   and not c.conrelid = any ($1::pg_catalog.text[]::pg_catalog.regclass[])
   and c.confdeltype in ('c', 'n', 'd')
 order by 1
