-- Constraints that were never validated. Columns: schema, table, constraint.
select n.nspname, c.relname, con.conname
from pg_constraint as con
join pg_class as c on c.oid = con.conrelid
join pg_namespace as n on n.oid = c.relnamespace
where not con.convalidated
  and con.contype in ('f', 'c', 'n')
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
order by 1, 2, 3
