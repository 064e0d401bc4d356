-- The table $1.$2 as it is by now: its OID, its columns and their types, those that can be written.
select c.oid::int8
     , array(
           select pg_catalog.json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))::text
             from pg_catalog.pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            order by a.attnum
       ) as columns
     , array(
           select a.attname::text
             from pg_catalog.pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
              and coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = ''
            order by a.attnum
       ) as stored
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1
   and c.relname = $2
