-- Which of these objects are on the target already. $1: kinds (relation, schema, type, routine),
-- $2: schemas (empty for a schema), $3: names; a routine's with its argument types.
select w.kind, w.schema_name, w.name
  from rows from ( pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])
                 , pg_catalog.unnest($3::text[])) w (kind, schema_name, name)
 where (w.kind = 'schema' and exists (
            select from pg_catalog.pg_namespace n where n.nspname = w.name))
    or (w.kind = 'relation' and exists (
            select from pg_catalog.pg_class c
              join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where n.nspname = w.schema_name and c.relname = w.name))
    or (w.kind = 'type' and exists (
            select from pg_catalog.pg_type t
              join pg_catalog.pg_namespace n on n.oid = t.typnamespace
             where n.nspname = w.schema_name and t.typname = w.name))
    or (w.kind = 'routine' and exists (
            select from pg_catalog.pg_proc p
              join pg_catalog.pg_namespace n on n.oid = p.pronamespace
             where n.nspname = w.schema_name
               and p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' = w.name))
 order by 1, 2, 3
