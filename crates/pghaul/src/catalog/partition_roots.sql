-- Partition trees whose bounds may mean something else on another server: text ranges under a
-- collation that is not byte order, hashes of types whose hash is not the same everywhere.
with recursive tree (root, relid) as (
       select p.partrelid, p.partrelid
         from pg_catalog.pg_partitioned_table p
         join pg_catalog.pg_class c on c.oid = p.partrelid
        where not c.relispartition
       union all
       select tree.root, i.inhrelid
         from tree
         join pg_catalog.pg_inherits i on i.inhparent = tree.relid
)
select distinct tree.root::int8
  from tree
  join pg_catalog.pg_partitioned_table p on p.partrelid = tree.relid
 cross join lateral rows from ( pg_catalog.unnest(p.partattrs::int2[])
                              , pg_catalog.unnest(p.partcollation::oid[])) k (attnum, coll)
  left join pg_catalog.pg_attribute a on a.attrelid = p.partrelid and a.attnum = k.attnum and k.attnum <> 0
  left join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_collation c on c.oid = k.coll
 where (p.partstrat = 'r' and k.coll <> 0 and c.collname not in ('C', 'POSIX', 'ucs_basic'))
    or (p.partstrat = 'h' and (k.attnum = 0
                               or t.oid >= 10000
                               or t.typname not in ('bool', 'int2', 'int4', 'int8', 'oid', 'uuid', 'bytea'
                                                  , 'text', 'varchar', 'bpchar', 'name', 'date', 'timestamp'
                                                  , 'timestamptz', 'time', 'numeric', 'inet', 'cidr', 'macaddr')
                               or (k.coll <> 0 and coalesce(
                                     pg_catalog.to_jsonb(c) ->> 'collisdeterministic', 'true') = 'false')))
    or (k.attnum = 0 and p.partstrat in ('r', 'l'))
