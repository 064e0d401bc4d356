-- The relations that hold the rows of tables and partition trees: $1 are these, quoted; places
-- among them count from 1.
with recursive tree (root, oid) as (
       select r.place, pg_catalog.to_regclass(r.name)::oid
         from pg_catalog.unnest($1::text[]) with ordinality r (name, place)
       union all
       select tree.root, h.inhrelid
         from tree
         join pg_catalog.pg_inherits h on h.inhparent = tree.oid
)
select tree.root::int8
     , c.oid::int8
     , n.nspname::text
     , c.relname::text
     , pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 as blocks
  from tree
  join pg_catalog.pg_class c on c.oid = tree.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind <> 'p'
 order by 3, 4
