-- Every type that a column of a user table is made of, at any depth: elements of arrays, base
-- types of domains, fields of composites, subtypes of ranges.
with recursive reached (oid) as (
       select a.atttypid
         from pg_catalog.pg_attribute a
         join pg_catalog.pg_class c on c.oid = a.attrelid
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where a.attnum > 0 and not a.attisdropped
          and c.relkind in ('r', 'p', 'm')
          and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
          and n.nspname !~ '^pg_(toast|temp)'
          and c.relpersistence <> 't'
       union
       select below.oid
         from reached
         join pg_catalog.pg_type t on t.oid = reached.oid
         left join pg_catalog.pg_range r on r.rngtypid = t.oid
         cross join lateral (
              select t.typelem as oid where t.typelem <> 0
              union all select t.typbasetype where t.typbasetype <> 0
              union all select r.rngsubtype where r.rngsubtype is not null
              union all select a.atttypid from pg_catalog.pg_attribute a
                         where a.attrelid = t.typrelid and t.typrelid <> 0
                           and a.attnum > 0 and not a.attisdropped
              union all select m.rngtypid from pg_catalog.pg_range m
                         where t.typtype = 'm'
                           and (pg_catalog.to_jsonb(m) ->> 'rngmultitypid')::pg_catalog.oid = t.oid
         ) below
)
select t.oid::int8
     , n.nspname::text
     , t.typname::text
     , t.typtype::text
     , t.typlen::int4
     , case when t.typlen = -1 then t.typelem else 0 end::int8 as element
     , t.typbasetype::int8
     , coalesce(r.rngsubtype, m.rngtypid, 0)::int8 as range_of
     , case when t.typsend <> 0 then t.typsend::pg_catalog.regproc::text end as send
     , t.typreceive <> 0 as receives
     , e.extname::text as extension
     , coalesce((select pg_catalog.array_agg(a.atttypid::int8 order by a.attnum)
                   from pg_catalog.pg_attribute a
                  where a.attrelid = t.typrelid and t.typrelid <> 0
                    and a.attnum > 0 and not a.attisdropped), '{}') as fields
     , coalesce((select pg_catalog.array_agg(a.attname::text order by a.attnum)
                   from pg_catalog.pg_attribute a
                  where a.attrelid = t.typrelid and t.typrelid <> 0
                    and a.attnum > 0 and not a.attisdropped), '{}') as field_names
  from reached
  join pg_catalog.pg_type t on t.oid = reached.oid
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_range r on r.rngtypid = t.oid
  left join pg_catalog.pg_range m
    on t.typtype = 'm' and (pg_catalog.to_jsonb(m) ->> 'rngmultitypid')::pg_catalog.oid = t.oid
  left join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  left join pg_catalog.pg_extension e on e.oid = d.refobjid
