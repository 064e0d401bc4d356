-- What the target has of these tables: $1 schemas, $2 names. Columns that COPY can write, and user
-- triggers that would fire.
select w.place::int8 - 1
     , c.oid is not null
     , coalesce((select pg_catalog.array_agg(a.attname::text)
                   from pg_catalog.pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '{}')
     , coalesce((select pg_catalog.array_agg(t.tgname::text order by t.tgname)
                   from pg_catalog.pg_trigger t
                  where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'D'), '{}')
  from rows from ( pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
       with ordinality w (schema_name, name, place)
  left join pg_catalog.pg_namespace n on n.nspname = w.schema_name
  left join pg_catalog.pg_class c
    on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
 order by w.place
