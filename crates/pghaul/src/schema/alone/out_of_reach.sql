-- Of these tables ($2), those that this role may not lock, as pg_dump would, and that none of these
-- relations ($1) needs. What a relation needs is what it or a part of it depends on (Postgres manual,
-- pg_depend); its parts depend on it automatically or internally.
with recursive barred as (
    select c.oid
    from pg_catalog.pg_class c
    where c.oid = any ($2)
      and c.relkind in ('r', 'p')
      and not (pg_catalog.has_schema_privilege(c.relnamespace, 'usage')
               and pg_catalog.has_table_privilege(c.oid, 'select'))
), needed (classid, objid) as (
    select 'pg_catalog.pg_class'::regclass::oid, wanted.oid
    from pg_catalog.unnest($1::oid[]) wanted (oid)
    where exists (select from barred)
    union
    select next.classid, next.objid
    from needed
    cross join lateral (
        select d.refclassid, d.refobjid
        from pg_catalog.pg_depend d
        where d.classid = needed.classid and d.objid = needed.objid and d.refobjid >= 16384
        union all
        select d.classid, d.objid
        from pg_catalog.pg_depend d
        where d.refclassid = needed.classid and d.refobjid = needed.objid and d.deptype in ('a', 'i')
          -- A publication needs none of its tables.
          and d.classid <> coalesce(pg_catalog.to_regclass('pg_catalog.pg_publication_rel')::oid, 0)
    ) next (classid, objid)
)
select n.nspname::text, c.relname::text
from barred
join pg_catalog.pg_class c on c.oid = barred.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where barred.oid not in (
    select objid from needed where classid = 'pg_catalog.pg_class'::regclass)
order by 1, 2
