-- What makes two rows equal under a unique index: $1 is the index, or the constraint on it.
select n.nspname::text
     , c.relname::text
     , c.relkind = 'p' as partitioned
     , pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
     , coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) as nulls_equal
     , pg_catalog.array_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k.place, true) order by k.place) as keys
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral pg_catalog.generate_series(1
     , coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int4, i.indnatts)::int4) k (place)
 where i.indexrelid = coalesce((select o.conindid from pg_catalog.pg_constraint o where o.oid = $1), $1)
   and i.indisunique
 group by 1, 2, 3, 4, 5
