-- How many tables a session that holds them all must lock, and how many locks the server has room for. Columns: none, tables, room.
select null
     , (select count(*)
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'm')
          and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
          and n.nspname !~ '^pg_(toast|temp)')
     , current_setting('max_locks_per_transaction')::bigint
       * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
