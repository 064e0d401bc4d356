-- The columns of the relations of relations.sql, in physical order.
select a.attrelid::int8
     , a.attname::text
     , a.atttypid::int8
     , a.attgenerated::text -- from 12
     , ''::text as generated -- before 12
     , a.attcollation::int8
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where a.attnum > 0
   and not a.attisdropped
   and c.relkind in ('r', 'p', 'm', 'f')
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and c.relpersistence <> 't'
 order by a.attrelid, a.attnum
