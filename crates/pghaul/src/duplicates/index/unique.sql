-- Every index that claims that rows differ: $1 is one of them, or the constraint on it; null for all.
select i.indexrelid::int8
     , xn.nspname::text
     , x.relname::text
     , c.oid::int8
     , n.nspname::text
     , c.relname::text
     , c.relkind::text
     , i.indisprimary
     , coalesce(o.constraint_name is not null, false) as is_constraint
     , i.indisvalid and i.indisready as valid
     , i.indisexclusion
     , pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
     , coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) as nulls_equal
     , k.keys
     , k.opclass_schemas
     , k.opclasses
     , k.collation_schemas
     , k.collations
     , coalesce((select pg_catalog.array_agg(a.attname::text order by p.place)
          from pg_catalog.pg_index pk
         cross join lateral pg_catalog.unnest(pk.indkey::int2[]) with ordinality p (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = pk.indrelid and a.attnum = p.attnum
         where pk.indrelid = c.oid and pk.indisprimary
           and p.place <= coalesce((pg_catalog.to_jsonb(pk) ->> 'indnkeyatts')::int4, pk.indnatts)
       ), '{}') as primary_key
     , h.inhparent::int8 as parent
     , c.relpersistence = 'u' as unlogged
     , c.relispopulated as populated
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace xn on xn.oid = x.relnamespace
  join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_inherits h on h.inhrelid = i.indexrelid
  left join lateral (
       select o.conname as constraint_name
         from pg_catalog.pg_constraint o
        where o.conindid = i.indexrelid and o.contype in ('p', 'u', 'x')
        limit 1) o on true
 cross join lateral (
       select pg_catalog.array_agg(pg_catalog.pg_get_indexdef(i.indexrelid, p.place, true) order by p.place) as keys
            , pg_catalog.array_agg(on_.nspname::text order by p.place) as opclass_schemas
            , pg_catalog.array_agg(oc.opcname::text order by p.place) as opclasses
            , pg_catalog.array_agg(cn.nspname::text order by p.place) as collation_schemas
            , pg_catalog.array_agg(co.collname::text order by p.place) as collations
         from pg_catalog.generate_series(1
                , coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int4, i.indnatts)::int4) p (place)
         join pg_catalog.pg_opclass oc on oc.oid = i.indclass[p.place - 1]
         join pg_catalog.pg_namespace on_ on on_.oid = oc.opcnamespace
         left join pg_catalog.pg_collation co on co.oid = i.indcollation[p.place - 1]
         left join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace) k
 where (i.indisunique or i.indisexclusion)
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and c.relpersistence <> 't'
   and ($1::oid is null
        or i.indexrelid = coalesce((select r.conindid from pg_catalog.pg_constraint r where r.oid = $1), $1))
 order by 5, 6, 3
