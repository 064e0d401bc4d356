-- Collations under which texts of different bytes can be equal (12 and newer).
select n.nspname::text, c.collname::text
  from pg_catalog.pg_collation c
  join pg_catalog.pg_namespace n on n.oid = c.collnamespace
 where not coalesce((pg_catalog.to_jsonb(c) ->> 'collisdeterministic')::bool, true)
