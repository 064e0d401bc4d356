-- Of pairs of a schema (null: the database) and a role, those where the role may not create.
-- A schema that is not there yet will be made by us, and gives nobody anything.
select pair.schema_name, pair.role_name
from unnest($1::text[], $2::text[]) as pair (schema_name, role_name)
join pg_catalog.pg_roles as role on role.rolname = pair.role_name
left join pg_catalog.pg_namespace as schema on schema.nspname = pair.schema_name
where case
        when pair.schema_name is null then
            not pg_catalog.has_database_privilege(role.oid, pg_catalog.current_database()::text, 'CREATE')
        when schema.oid is null then not role.rolsuper
        else not pg_catalog.has_schema_privilege(role.oid, schema.oid, 'CREATE')
      end
