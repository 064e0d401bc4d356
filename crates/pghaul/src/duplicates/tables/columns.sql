-- The columns of all user tables, in physical order. What 9.6 does not have is read through jsonb.
select c.oid::int8
     , n.nspname::text
     , c.relname::text
     , a.attname::text
     , pg_catalog.format_type(a.atttypid, a.atttypmod)
     , a.attnotnull
     , coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> '' as generated
     , coalesce(pg_catalog.to_jsonb(a) ->> 'attidentity', '') = 'a' as always
     , case
           when t.typcategory = 'S' and t.typtype = 'b' then 'text'
           when a.atttypid in ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype)
           then 'integer'
           when a.atttypid = 'uuid'::pg_catalog.regtype then 'uuid'
           when a.atttypid = 'bool'::pg_catalog.regtype then 'boolean'
           else 'other'
       end as kind
     , case when t.typname in ('varchar', 'bpchar') and a.atttypmod > 4 then a.atttypmod - 4 end::int4 as length
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_type t on t.oid = a.atttypid
 where a.attnum > 0
   and not a.attisdropped
   and c.relkind in ('r', 'p')
   and c.relpersistence <> 't'
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
 order by n.nspname::text collate "C", c.relname::text collate "C", a.attnum
