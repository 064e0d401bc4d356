-- Of these names, the roles that are there, and whether the current one can become each.
select rolname::text, pg_catalog.pg_has_role(current_user, oid, $2)
from pg_catalog.pg_roles
where rolname = any ($1::text[])
