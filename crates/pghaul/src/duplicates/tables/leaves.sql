-- The leaves of all partition trees: the root, and the columns that decide in which leaf a row is.
with recursive tree (oid, root, bounds) as (
       select p.partrelid
            , p.partrelid
            , array(select a.attname::text
                      from pg_catalog.pg_attribute a
                     where a.attrelid = p.partrelid and a.attnum = any (p.partattrs::int2[]))
         from pg_catalog.pg_partitioned_table p
         join pg_catalog.pg_class c on c.oid = p.partrelid
        where not c.relispartition
       union all
       select h.inhrelid
            , tree.root
            , tree.bounds
              || array(select a.attname::text
                         from pg_catalog.pg_partitioned_table p
                         join pg_catalog.pg_attribute a on a.attrelid = p.partrelid and a.attnum = any (p.partattrs::int2[])
                        where p.partrelid = h.inhrelid)
         from tree
         join pg_catalog.pg_inherits h on h.inhparent = tree.oid
)
select n.nspname::text
     , c.relname::text
     , rn.nspname::text
     , r.relname::text
     , tree.bounds
  from tree
  join pg_catalog.pg_class c on c.oid = tree.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class r on r.oid = tree.root
  join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
 where c.relkind = 'r'
 order by n.nspname::text collate "C", c.relname::text collate "C"
