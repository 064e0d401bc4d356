-- The unique indexes of all user tables: keys, condition, and all columns that either reads.
select tn.nspname::text
     , c.relname::text
     , xn.nspname::text
     , x.relname::text
     , x.oid::int8
     , i.indisprimary
     , pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
     , coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) as nulls_equal
     , array(
           select pg_catalog.pg_get_indexdef(i.indexrelid, k, true)
             from pg_catalog.generate_series(1, counted.keys) k
            order by k
       ) as keys
     , array(
           select a.attname::text
             from pg_catalog.pg_attribute a
            where a.attrelid = i.indrelid
              and a.attnum > 0
              and (a.attnum in (select k.attnum
                                  from pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, place)
                                 where k.place <= counted.keys)
                   or a.attnum <> all (i.indkey::int2[])
                      and exists (select
                                    from pg_catalog.pg_depend d
                                   where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                     and d.objid = i.indexrelid
                                     and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                     and d.refobjid = i.indrelid
                                     and d.refobjsubid = a.attnum))
            order by a.attnum
       ) as reads
     , not exists (select
                     from pg_catalog.pg_attribute a
                    where a.attrelid = i.indrelid
                      and a.attnum = any (i.indkey::int2[])
                      and not a.attnotnull) as all_not_null
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = c.relnamespace
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace xn on xn.oid = x.relnamespace
 cross join lateral (
       select coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int4, i.indnatts::int4) as keys
 ) counted
 where i.indisunique
   and not i.indisexclusion
   and c.relkind in ('r', 'p')
   and tn.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and tn.nspname !~ '^pg_(toast|temp)'
 order by tn.nspname::text collate "C", c.relname::text collate "C", not i.indisprimary, x.relname::text collate "C"
