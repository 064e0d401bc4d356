-- Foreign tables: their rows live elsewhere. Columns: schema, name, server.
select n.nspname, c.relname, s.srvname
from pg_foreign_table as f
join pg_class as c on c.oid = f.ftrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_foreign_server as s on s.oid = f.ftserver
order by 1, 2
