-- Tables that are partitioned by ranges of text. Columns: collation, schema, table.
select distinct u.coll::int8, n.nspname::text, c.relname::text
  from pg_catalog.pg_partitioned_table p
  join pg_catalog.pg_class c on c.oid = p.partrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral pg_catalog.unnest(p.partcollation::oid[]) u (coll)
 where p.partstrat = 'r'
   and u.coll <> 0
 order by 2, 3
