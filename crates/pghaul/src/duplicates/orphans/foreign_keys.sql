-- The foreign keys of user tables, those of partition trees at their roots only. NOT ENFORCED ones
-- (18) promise nothing.
select o.oid::int8
     , o.conname::text
     , cn.nspname::text
     , c.relname::text
     , c.relkind = 'p' as child_is_tree
     , pn.nspname::text
     , p.relname::text
     , p.relkind = 'p' as parent_is_tree
     , o.confmatchtype = 'f' as match_full
     , o.convalidated
     , k.columns
     , k.referred
     , k.operator_schemas
     , k.operators
     , coalesce((select pg_catalog.array_agg(a.attname::text order by x.place)
          from pg_catalog.pg_index pk
         cross join lateral pg_catalog.unnest(pk.indkey::int2[]) with ordinality x (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = pk.indrelid and a.attnum = x.attnum
         where pk.indrelid = c.oid and pk.indisprimary
           and x.place <= coalesce((pg_catalog.to_jsonb(pk) ->> 'indnkeyatts')::int4, pk.indnatts)
       ), '{}') as primary_key
  from pg_catalog.pg_constraint o
  join pg_catalog.pg_class c on c.oid = o.conrelid
  join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = o.confrelid
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
 cross join lateral (
       select pg_catalog.array_agg(a.attname::text order by x.place) as columns
            , pg_catalog.array_agg(b.attname::text order by x.place) as referred
            , pg_catalog.array_agg(n.nspname::text order by x.place) as operator_schemas
            , pg_catalog.array_agg(e.oprname::text order by x.place) as operators
         -- unnest of several arrays is known to the parser by its bare name only.
         from unnest(o.conkey, o.confkey, o.conpfeqop) with ordinality x (child, parent, equal, place)
         join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = x.child
         join pg_catalog.pg_attribute b on b.attrelid = o.confrelid and b.attnum = x.parent
         join pg_catalog.pg_operator e on e.oid = x.equal
         join pg_catalog.pg_namespace n on n.oid = e.oprnamespace) k
 where o.contype = 'f'
   and coalesce((pg_catalog.to_jsonb(o) ->> 'conparentid')::int8, 0) = 0
   and coalesce((pg_catalog.to_jsonb(o) ->> 'conenforced')::bool, true)
   -- PERIOD (18) compares ranges.
   and not coalesce((pg_catalog.to_jsonb(o) ->> 'conperiod')::bool, false)
   and cn.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and c.relpersistence <> 't'
 order by 3, 4, 2
