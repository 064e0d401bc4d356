-- The extensions of this database. Columns: name, version, schema.
select e.extname, e.extversion, n.nspname
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
where e.extname <> 'plpgsql'
order by 1
