-- Of these relations ($1), those that nothing but themselves depends on, with the sequences that
-- they own. What is a part of a relation depends on it automatically; other things normally
-- (Postgres manual, pg_depend).
with unwanted as (
    select c.oid, c.relkind, c.reltype
    from pg_catalog.pg_class c
    where c.oid = any ($1)
), owned as (
    select d.objid as oid, d.refobjid as owner
    from pg_catalog.pg_depend d
    join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
    where d.classid = 'pg_catalog.pg_class'::regclass
      and d.refclassid = 'pg_catalog.pg_class'::regclass
      and d.deptype in ('a', 'i')
), candidate as (
    select oid, oid as of from unwanted where relkind <> 'S'
    union all
    select owned.oid, owned.oid
    from owned
    join unwanted on unwanted.oid = owned.owner and unwanted.relkind <> 'S'
    union all
    select oid, oid from unwanted where relkind = 'S' and oid not in (select oid from owned)
), part as (
    select 'pg_catalog.pg_class'::regclass as classid, oid as objid, of from candidate
    union all
    select 'pg_catalog.pg_class'::regclass, i.indexrelid, of
    from candidate join pg_catalog.pg_index i on i.indrelid = oid
    union all
    select 'pg_catalog.pg_constraint'::regclass, o.oid, of
    from candidate join pg_catalog.pg_constraint o on o.conrelid = candidate.oid
    union all
    select 'pg_catalog.pg_trigger'::regclass, t.oid, of
    from candidate join pg_catalog.pg_trigger t on t.tgrelid = candidate.oid
    union all
    select 'pg_catalog.pg_attrdef'::regclass, a.oid, of
    from candidate join pg_catalog.pg_attrdef a on a.adrelid = candidate.oid
    union all
    select 'pg_catalog.pg_rewrite'::regclass, r.oid, of
    from candidate join pg_catalog.pg_rewrite r on r.ev_class = candidate.oid
    union all
    select 'pg_catalog.pg_policy'::regclass, p.oid, of
    from candidate join pg_catalog.pg_policy p on p.polrelid = candidate.oid
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid, of
    from candidate
    join pg_catalog.pg_class c on c.oid = candidate.oid
    join pg_catalog.pg_type row_type on row_type.oid = c.reltype
    join pg_catalog.pg_type t on t.oid in (row_type.oid, row_type.typarray)
), needed as (
    select part.of
    from part
    join pg_catalog.pg_depend d on d.refclassid = part.classid and d.refobjid = part.objid
    left join part as dependent on dependent.classid = d.classid and dependent.objid = d.objid
    where d.deptype = 'n'
      and dependent.objid is null
)
select n.nspname::text, c.relname::text
from candidate
join pg_catalog.pg_class c on c.oid = candidate.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where candidate.of not in (select of from needed)
order by 1, 2
