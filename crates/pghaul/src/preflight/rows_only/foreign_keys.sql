-- The foreign keys of these tables and of the partition trees that they are in, as they stand on
-- the target: $1 schemas, $2 names. Each key once, at the top of its tree. All that are enforced check
-- each row that comes; those that are not valid promise nothing about the rows that are there.
with recursive wanted as (
    select c.oid
    from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) w (schema_name, name)
    join pg_catalog.pg_namespace n on n.nspname = w.schema_name
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
), above as (
    select oid from wanted
    union
    select i.inhparent
    from above
    join pg_catalog.pg_inherits i on i.inhrelid = above.oid
    join pg_catalog.pg_class c on c.oid = i.inhparent and c.relkind = 'p'
)
select o.oid
     , o.conname::text
     , cn.nspname::text
     , c.relname::text
     , pn.nspname::text
     , p.relname::text
     , c.relkind = 'r'
     , p.relkind = 'r'
     , (select pg_catalog.array_agg(a.attname::text order by k.place)
          from pg_catalog.unnest(o.conkey) with ordinality k (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum)
     , (select pg_catalog.array_agg(a.attname::text order by k.place)
          from pg_catalog.unnest(o.confkey) with ordinality k (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum)
     , (select pg_catalog.array_agg(pg_catalog.format('operator(%I.%s)', n.nspname, f.oprname) order by k.place)
          from pg_catalog.unnest(o.conpfeqop) with ordinality k (operator, place)
          join pg_catalog.pg_operator f on f.oid = k.operator
          join pg_catalog.pg_namespace n on n.oid = f.oprnamespace)
     , coalesce(pg_catalog.to_jsonb(o) ->> 'conperiod', 'false') = 'true'
     , o.convalidated
from pg_catalog.pg_constraint o
join above on above.oid = o.conrelid
join pg_catalog.pg_class c on c.oid = o.conrelid
join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
join pg_catalog.pg_class p on p.oid = o.confrelid
join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where o.contype = 'f'
  and coalesce(pg_catalog.to_jsonb(o) ->> 'conenforced', 'true') = 'true'
  and coalesce((pg_catalog.to_jsonb(o) ->> 'conparentid')::oid, 0) = 0
order by 3, 4, 2
