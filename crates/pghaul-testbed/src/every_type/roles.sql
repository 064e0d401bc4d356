-- Roles that own, read and write the objects of all other families.
--
-- Roles belong to the cluster and not to the database, so several tests create them at once:
-- the lock makes them take turns, and whoever comes second finds everything there.

-- @object roles superuser
-- Owners and grantees, one with an evil name, one a member of another with ADMIN OPTION.
do $do$
declare
    wanted text;
begin
    execute 'lock table pg_catalog.pg_authid in share row exclusive mode';
    foreach wanted in array array[
        'pghaul_owner', 'pghaul_reader', 'pghaul_writer', 'pghaul_admin',
        E'pghaul "evil" \\role\n-- 🐘; drop'
    ] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            execute format('create role %I', wanted);
        end if;
    end loop;
    if not pg_catalog.pg_has_role('pghaul_writer', 'pghaul_reader', 'member') then
        execute 'grant pghaul_reader to pghaul_writer with admin option';
    end if;
end
$do$;
