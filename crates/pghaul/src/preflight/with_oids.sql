-- Tables WITH OIDS (9.6 to 11). Columns: schema, table.
select n.nspname, c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relhasoids
  and c.relkind in ('r', 'p')
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
order by 1, 2
