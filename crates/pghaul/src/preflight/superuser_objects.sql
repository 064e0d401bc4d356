-- Objects that only a superuser can create, members of extensions and what comes with a type apart. Columns: object, kind.
with member as (
    -- Made by an extension, or with a type, as the constructors of a range are.
    select classid, objid from pg_depend where deptype in ('e', 'i')
), object (classid, objid, name, kind) as (
    select 'pg_proc'::regclass, p.oid, p.oid::regprocedure::text, 'function in language ' || l.lanname
    from pg_proc as p join pg_language as l on l.oid = p.prolang
    where not l.lanpltrusted
    union all
    select 'pg_proc'::regclass, p.oid, p.oid::regprocedure::text, 'LEAKPROOF function'
    from pg_proc as p where p.proleakproof
    union all
    select 'pg_opclass'::regclass, o.oid, format('%I.%I', n.nspname, o.opcname), 'operator class'
    from pg_opclass as o join pg_namespace as n on n.oid = o.opcnamespace
    union all
    select 'pg_type'::regclass, t.oid, t.oid::regtype::text, 'base type'
    from pg_type as t where t.typtype = 'b' and t.typelem = 0
    union all
    select 'pg_cast'::regclass, c.oid, format('%s as %s', c.castsource::regtype, c.casttarget::regtype), 'cast without function'
    from pg_cast as c where c.castmethod = 'b'
    union all
    select 'pg_cast'::regclass, c.oid, format('%s as %s', c.castsource::regtype, c.casttarget::regtype), 'cast between types of the server'
    from pg_cast as c where c.castmethod <> 'b' and c.castsource < 16384 and c.casttarget < 16384
    union all
    select 'pg_am'::regclass, a.oid, quote_ident(a.amname), 'access method' from pg_am as a
    union all
    select 'pg_ts_template'::regclass, t.oid, quote_ident(t.tmplname), 'text search template' from pg_ts_template as t
    union all
    select 'pg_ts_parser'::regclass, t.oid, quote_ident(t.prsname), 'text search parser' from pg_ts_parser as t
    union all
    select 'pg_language'::regclass, l.oid, quote_ident(l.lanname), 'untrusted language'
    from pg_language as l where not l.lanpltrusted
    union all
    select 'pg_foreign_data_wrapper'::regclass, f.oid, quote_ident(f.fdwname), 'foreign-data wrapper'
    from pg_foreign_data_wrapper as f
    union all
    select 'pg_event_trigger'::regclass, e.oid, quote_ident(e.evtname), 'event trigger' from pg_event_trigger as e
)
select object.name, object.kind
from object
left join member using (classid, objid)
where object.objid >= 16384
  and member.objid is null
order by 2, 1
