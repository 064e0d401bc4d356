-- What the target has of these tables: $1 schemas, $2 names; $3 the states of triggers that would
-- fire. Columns that COPY can write; triggers of the table and its partitions, each as schema,
-- relation, name and state; whether this role may switch them off.
with recursive wanted as (
    select w.place, c.oid, c.relkind
    from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
         with ordinality w (schema_name, name, place)
    left join pg_catalog.pg_namespace n on n.nspname = w.schema_name
    left join pg_catalog.pg_class c
      on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
), tree as (
    select place, oid, relkind from wanted where oid is not null
    union all
    select tree.place, c.oid, c.relkind
    from tree
    join pg_catalog.pg_inherits i on i.inhparent = tree.oid and tree.relkind = 'p'
    join pg_catalog.pg_class c on c.oid = i.inhrelid
), firing as (
    select tree.place, n.nspname, c.relname, t.tgname, t.tgenabled
         , pg_catalog.pg_has_role(c.relowner, 'usage') as is_owner
    from tree
    join pg_catalog.pg_class c on c.oid = tree.oid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_trigger t on t.tgrelid = tree.oid
    where not t.tgisinternal and t.tgenabled::text = any ($3)
)
select wanted.place::int8 - 1
     , wanted.oid is not null
     , coalesce((select pg_catalog.array_agg(a.attname::text)
                   from pg_catalog.pg_attribute a
                  where a.attrelid = wanted.oid and a.attnum > 0 and not a.attisdropped
                    and coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = ''), '{}')
     , array(select word.text
               from firing f
               cross join pg_catalog.unnest(array[f.nspname::text, f.relname::text, f.tgname::text, f.tgenabled::text])
                    with ordinality word (text, place)
              where f.place = wanted.place
              order by f.nspname, f.relname, f.tgname, word.place)
     , coalesce((select pg_catalog.bool_and(f.is_owner) from firing f where f.place = wanted.place), true)
  from wanted
 order by wanted.place
