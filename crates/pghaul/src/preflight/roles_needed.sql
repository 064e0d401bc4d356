-- The roles that own objects of this database, and those that privileges, policies and user mappings name. Columns: role, owns, schema and name of the relation that the objects are or belong to, if any, number of objects.
with member as (
    select classid, objid from pg_depend where deptype = 'e'
), named as (
    select s.refobjid as role, s.deptype = 'o' and s.classid not in ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass) as owns, s.classid, s.objid
    from pg_shdepend as s
    where s.dbid = (select oid from pg_database where datname = current_database())
      and s.refclassid = 'pg_authid'::regclass
      and s.deptype in ('o', 'a', 'r')
      and s.classid <> 'pg_extension'::regclass
    union
    -- The bootstrap superuser is pinned, so nothing is recorded of him.
    select c.relowner, true, 'pg_class'::regclass, c.oid from pg_class as c
    where c.relowner = 10 and c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union
    select p.proowner, true, 'pg_proc'::regclass, p.oid from pg_proc as p
    where p.proowner = 10 and p.oid >= 16384
    union
    select t.typowner, true, 'pg_type'::regclass, t.oid from pg_type as t
    where t.typowner = 10 and t.oid >= 16384 and t.typrelid = 0 and t.typelem = 0
    union
    select n.nspowner, true, 'pg_namespace'::regclass, n.oid from pg_namespace as n
    where n.nspowner = 10 and n.oid >= 16384
    union
    select l.lomowner, true, 'pg_largeobject_metadata'::regclass, l.oid from pg_largeobject_metadata as l
    where l.lomowner = 10
), counted as (
    select named.role, named.owns, coalesce(p.polrelid, c.oid) as relation, count(*) as objects
    from named
    left join member using (classid, objid)
    left join pg_class as c on named.classid = 'pg_class'::regclass and c.oid = named.objid
    left join pg_policy as p on named.classid = 'pg_policy'::regclass and p.oid = named.objid
    where member.objid is null
      and not exists (
          select from pg_class as c
          join pg_namespace as n on n.oid = c.relnamespace
          where named.classid = 'pg_class'::regclass and c.oid = named.objid
            and (n.nspname = 'pghaul' or n.nspname ~ '^pg_(toast|temp)'))
    group by 1, 2, 3
)
select r.rolname, counted.owns, n.nspname, c.relname, counted.objects
from counted
join pg_roles as r on r.oid = counted.role
left join pg_class as c on c.oid = counted.relation
left join pg_namespace as n on n.oid = c.relnamespace
order by 1, 2 desc
