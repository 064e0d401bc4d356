-- Partitioned tables whose ranges compare text by a collation (10 and newer). Columns: schema, table, collation.
select distinct n.nspname, c.relname, col.collname
from pg_partitioned_table as p
join pg_class as c on c.oid = p.partrelid
join pg_namespace as n on n.oid = c.relnamespace
cross join lateral unnest(p.partcollation::oid[]) as used (oid)
join pg_collation as col on col.oid = used.oid
where p.partstrat = 'r'
  and col.collname not in ('C', 'POSIX')
order by 1, 2
