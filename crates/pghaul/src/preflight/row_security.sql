-- Tables whose policies would hide rows from this role. Columns: schema, table.
select n.nspname, c.relname
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_roles as r on r.rolname = current_user
where c.relrowsecurity
  and not r.rolsuper
  and not r.rolbypassrls
  and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage'))
order by 1, 2
