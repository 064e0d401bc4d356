-- The primary key of each user table: the columns by which people name a row.
select i.indrelid::int8
     , pg_catalog.array_agg(a.attname::text order by k.place) as key_columns
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, place)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
 where i.indisprimary
   and k.place <= coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int4, i.indnatts)
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
 group by i.indrelid
