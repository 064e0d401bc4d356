-- The foreign keys of all user tables.
select cn.nspname::text
     , c.relname::text
     , pn.nspname::text
     , p.relname::text
     , o.conname::text
     , o.confupdtype::text
     , o.confdeltype::text
     , array(
           select a.attname::text
             from pg_catalog.unnest(o.conkey) with ordinality k (attnum, place)
             join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum
            order by k.place
       ) as columns
     , array(
           select a.attname::text
             from pg_catalog.unnest(o.confkey) with ordinality k (attnum, place)
             join pg_catalog.pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum
            order by k.place
       ) as referred
  from pg_catalog.pg_constraint o
  join pg_catalog.pg_class c on c.oid = o.conrelid
  join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = o.confrelid
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
 where o.contype = 'f'
   and cn.nspname <> 'pghaul'
   and coalesce((pg_catalog.to_jsonb(o) ->> 'conparentid')::int8, 0) = 0
 order by cn.nspname::text collate "C", c.relname::text collate "C", o.conname::text collate "C"
