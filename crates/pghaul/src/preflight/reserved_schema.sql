-- A schema of the name that pghaul keeps for its state. Columns: object.
select nspname from pg_namespace where nspname = 'pghaul'
