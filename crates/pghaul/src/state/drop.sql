-- The state of a run, and the schema if nothing else is in it.
drop table if exists pghaul.witness;
drop table pghaul.duplicate_row, pghaul.finding, pghaul.step, pghaul.receipt, pghaul.part, pghaul.relation, pghaul.run;
do $$
begin
    -- What repairs keep for undo stays.
    if not exists (select from pg_catalog.pg_class where relnamespace = 'pghaul'::pg_catalog.regnamespace) then
        drop schema pghaul;
    end if;
end
$$;
