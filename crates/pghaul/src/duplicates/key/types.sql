-- The types that keys are made of, at any depth: $1 are their OIDs.
with recursive reached (oid) as (
       select pg_catalog.unnest($1::oid[])
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
     , pg_catalog.format_type(t.oid, -1) as type_name
     , t.typtype::text
     , case when t.typlen = -1 then t.typelem else 0 end::int8 as element
     , t.typbasetype::int8
     , coalesce(r.rngsubtype, m.rngtypid, 0)::int8 as range_of
     -- A default operator class of its own can mean anything by equal; so can one of the subtype
     -- that is not built in.
     , (t.oid >= 16384 and exists (select 1 from pg_catalog.pg_opclass o
          join pg_catalog.pg_am am on am.oid = o.opcmethod and am.amname = 'btree'
         where o.opcintype = t.oid and o.opcdefault)) or coalesce(r.rngsubopc >= 16384, false) as own_equality
     , coalesce((select not coalesce((pg_catalog.to_jsonb(c) ->> 'collisdeterministic')::bool, true)
                   from pg_catalog.pg_collation c where c.oid = r.rngcollation), false) as loose_range
     , coalesce(f.types, '{}') as fields
     , coalesce(f.loose, '{}') as loose_fields
  from reached
  join pg_catalog.pg_type t on t.oid = reached.oid
  left join pg_catalog.pg_range r on r.rngtypid = t.oid
  left join pg_catalog.pg_range m
    on t.typtype = 'm' and (pg_catalog.to_jsonb(m) ->> 'rngmultitypid')::pg_catalog.oid = t.oid
  left join lateral (
       select pg_catalog.array_agg(a.atttypid::int8 order by a.attnum) as types
            , pg_catalog.array_agg(
                   not coalesce((pg_catalog.to_jsonb(c) ->> 'collisdeterministic')::bool, true)
                   order by a.attnum) as loose
         from pg_catalog.pg_attribute a
         left join pg_catalog.pg_collation c on c.oid = a.attcollation
        where a.attrelid = t.typrelid and t.typrelid <> 0
          and a.attnum > 0 and not a.attisdropped) f on true
