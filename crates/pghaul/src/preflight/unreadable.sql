-- Tables and sequences that this role may not read. Columns: schema, name, missing right.
select n.nspname, c.relname
     , case when not has_schema_privilege(n.oid, 'usage') then 'USAGE on schema ' || n.nspname
            else 'SELECT' end
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'S')
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
  and n.nspname !~ '^pg_(toast|temp)'
  and c.relpersistence <> 't'
  and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))
order by 1, 2
