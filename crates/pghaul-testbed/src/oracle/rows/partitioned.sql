-- What decides into which partition a row goes. From 10 on.
select p.partrelid as relation,
       p.partstrat::text as strategy,
       p.partexprs is not null as has_expressions,
       array(
           select a.atttypid
           from pg_attribute a
           where a.attrelid = p.partrelid and a.attnum = any (p.partattrs::smallint[]) and a.attnum > 0
       ) as key_types,
       exists (
           select
           from unnest(p.partcollation::oid[]) as u(collation_oid)
           join pg_collation c on c.oid = u.collation_oid
           where c.collname not in ('C', 'POSIX')
       ) as collated
from pg_partitioned_table p
