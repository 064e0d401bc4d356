-- Made once on a server, whichever test comes first.
do $$
declare
    name text;
begin
    foreach name in array array['pghaul_owner_a', 'pghaul_owner_b', 'pghaul_reader', 'pghaul Odd Owner'] loop
        begin
            execute format('create role %I', name);
        exception
            when duplicate_object or unique_violation then null;
        end;
    end loop;
end
$$;
