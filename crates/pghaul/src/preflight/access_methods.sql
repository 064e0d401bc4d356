-- Tables and materialized views of another access method than heap (12 and newer). Columns: schema, name, method.
select n.nspname, c.relname, a.amname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_am as a on a.oid = c.relam
where c.relkind in ('r', 'm')
  and a.amname <> 'heap'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
  and n.nspname !~ '^pg_(toast|temp)'
order by 1, 2
