-- What the server computes when a row of the table $1 is written: expressions and conditions of its
-- indexes, checks, computed columns.
select pg_catalog.pg_get_indexdef(i.indexrelid, p.place, true) as expression
  from pg_catalog.pg_index i
 cross join lateral pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, place_8)
 cross join lateral (select k.place_8::int4) as p (place)
 where i.indrelid = $1::int8::pg_catalog.oid
   and k.attnum = 0
 union
select pg_catalog.pg_get_expr(i.indpred, i.indrelid)
  from pg_catalog.pg_index i
 where i.indrelid = $1::int8::pg_catalog.oid
   and i.indpred is not null
 union
select pg_catalog.pg_get_expr(o.conbin, o.conrelid)
  from pg_catalog.pg_constraint o
 where o.conrelid = $1::int8::pg_catalog.oid
   and o.contype = 'c'
 union
select pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  from pg_catalog.pg_attrdef d
  join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
 where d.adrelid = $1::int8::pg_catalog.oid
   and coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> ''
 order by 1
