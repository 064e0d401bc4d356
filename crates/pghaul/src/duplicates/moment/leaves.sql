-- The relations that hold the rows of a partition tree: $1 is its root, quoted.
with recursive tree (oid) as (
       select pg_catalog.to_regclass($1)::oid
       union all
       select h.inhrelid from tree join pg_catalog.pg_inherits h on h.inhparent = tree.oid
)
select c.oid::int8
     , n.nspname::text
     , c.relname::text
     , pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 as blocks
  from tree
  join pg_catalog.pg_class c on c.oid = tree.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind <> 'p'
 order by 2, 3
