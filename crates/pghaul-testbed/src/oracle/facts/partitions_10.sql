-- Keys and bounds of partitions. $1: schemas left out.
select 'relation ' || format('%I.%I', n.nspname, c.relname) as object, f.fact, f.value
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    values
        ('partition key', pg_get_partkeydef(c.oid)),
        ('partition bound', pg_get_expr(c.relpartbound, c.oid))
) as f(fact, value)
where (c.relispartition or c.relkind = 'p')
  and c.relkind in ('r', 'p', 'f')
  and n.nspname <> all ($1)
