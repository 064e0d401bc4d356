-- All types, with what they are made of.
select t.oid,
       n.nspname,
       t.typname,
       t.typtype::text as kind,
       t.typbasetype as base,
       coalesce(e.oid, 0) as element,
       coalesce(r.rngsubtype, 0) as subtype,
       coalesce(m.rngtypid, 0) as range
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
left join pg_type e on e.typarray = t.oid
left join pg_range r on r.rngtypid = t.oid
left join pg_range m on (to_jsonb(m) ->> 'rngmultitypid')::oid = t.oid
