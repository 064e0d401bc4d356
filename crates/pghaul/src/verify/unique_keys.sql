-- For each user table the best key that names its rows besides a primary key: a unique index over
-- plain columns that are not null, the replica identity first, then that of the fewest columns.
select distinct on (i.indrelid) i.indrelid::int8
     , (select pg_catalog.array_agg(a.attname::text order by k.place)
          from pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
         where k.place <= coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int4, i.indnatts)) as key_columns
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where i.indisunique
   and not i.indisprimary
   and i.indpred is null
   and i.indexprs is null
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and not exists (
       select
         from pg_catalog.unnest(i.indkey::int2[]) k (attnum)
         join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where not a.attnotnull)
 order by i.indrelid, i.indisreplident desc, i.indnatts, i.indexrelid
