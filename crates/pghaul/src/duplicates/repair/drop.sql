-- What repairs keep for undo, and the schema if nothing else is in it.
drop table pghaul.undo_statement, pghaul.repair_skip, pghaul.undo_row, pghaul.repair_batch, pghaul.repair_table, pghaul.repair;
do $$
begin
    if not exists (select from pg_catalog.pg_class where relnamespace = 'pghaul'::pg_catalog.regnamespace) then
        drop schema pghaul;
    end if;
end
$$;
