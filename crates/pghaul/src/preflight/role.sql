-- The role that asks. Columns: none, name, superuser, bypasses row security.
select null, current_user, rolsuper, rolbypassrls from pg_roles where rolname = current_user
