-- Tables, partitioned ones from 17 on, and materialized views of another access method than heap (12 and newer). Columns: schema, name, method, whether the method is the database's own and no member of an extension.
select n.nspname, c.relname, a.amname
     , not exists (
         select from pg_depend as d
         where d.classid = 'pg_am'::regclass and d.objid = a.oid and d.deptype = 'e')
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_am as a on a.oid = c.relam
where c.relkind in ('r', 'p', 'm')
  and a.amname <> 'heap'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
  and n.nspname !~ '^pg_(toast|temp)'
order by 1, 2
