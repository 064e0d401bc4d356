-- These tables, each with the partitioned tables above it: $1 schemas, $2 names.
with recursive above as (
    select w.place::int8 - 1 as place, c.oid
    from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
         with ordinality w (schema_name, name, place)
    join pg_catalog.pg_namespace n on n.nspname = w.schema_name
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
    union
    select above.place, i.inhparent
    from above
    join pg_catalog.pg_inherits i on i.inhrelid = above.oid
    join pg_catalog.pg_class c on c.oid = i.inhparent and c.relkind = 'p'
)
select above.place, n.nspname::text, c.relname::text
from above
join pg_catalog.pg_class c on c.oid = above.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
