-- Which columns refer to which, and by which operators: $1 is the foreign key.
select cn.nspname::text
     , c.relname::text
     , pn.nspname::text
     , p.relname::text
     , c.relkind = 'r'
     , p.relkind = 'r'
     , (select pg_catalog.array_agg(a.attname::text order by k.place)
          from pg_catalog.unnest(o.conkey) with ordinality k (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum)
     , (select pg_catalog.array_agg(a.attname::text order by k.place)
          from pg_catalog.unnest(o.confkey) with ordinality k (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum)
     , (select pg_catalog.array_agg(pg_catalog.format('operator(%I.%s)', n.nspname, f.oprname) order by k.place)
          from pg_catalog.unnest(o.conpfeqop) with ordinality k (operator, place)
          join pg_catalog.pg_operator f on f.oid = k.operator
          join pg_catalog.pg_namespace n on n.oid = f.oprnamespace)
     , coalesce(pg_catalog.to_jsonb(o) ->> 'conperiod', 'false') = 'true'
  from pg_catalog.pg_constraint o
  join pg_catalog.pg_class c on c.oid = o.conrelid
  join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = o.confrelid
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
 where o.oid = $1
   and o.contype = 'f'
