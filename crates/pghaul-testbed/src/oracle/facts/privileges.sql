-- Privileges by name, the default ones spelled out: who may do what by whose grant, with * where it
-- may be passed on. $1: schemas left out.
select w.kind || ' ' || w.name as object,
       'privileges' as fact,
       (
           select string_agg(by_grantee.line, '; ' order by by_grantee.line)
           from (
               select case e.grantee when 0 then 'public' else pg_get_userbyid(e.grantee)::text end
                          || '='
                          || string_agg(e.privilege_type || case when e.is_grantable then '*' else '' end, ',' order by e.privilege_type)
                          || '/' || pg_get_userbyid(e.grantor) as line
               from aclexplode(coalesce(w.acl, case when w.code <> 'c' then acldefault(w.code::"char", w.owner) end)) as e
               group by e.grantee, e.grantor
           ) as by_grantee
       ) as value
from (
    select 'pg_class'::regclass as class, c.oid, 0 as sub, case c.relkind when 'S' then 'sequence' else 'relation' end as kind,
           format('%I.%I', n.nspname, c.relname) as name, c.relacl as acl, c.relowner as owner,
           case c.relkind when 'S' then 's' else 'r' end as code, n.nspname::text as schema
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'pg_class'::regclass, c.oid, a.attnum, 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname), a.attacl, c.relowner, 'c', n.nspname
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where a.attacl is not null and not a.attisdropped
    union all
    select 'pg_namespace'::regclass, oid, 0, 'schema', quote_ident(nspname), nspacl, nspowner, 'n', nspname from pg_namespace
    union all
    select 'pg_proc'::regclass, p.oid, 0, 'function', p.oid::regprocedure::text, p.proacl, p.proowner, 'f', n.nspname
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    union all
    select 'pg_type'::regclass, t.oid, 0, 'type', t.oid::regtype::text, t.typacl, t.typowner, 'T', n.nspname
    from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.typelem = 0 and t.typtype <> 'm'
      and not exists (select from pg_class c where c.oid = t.typrelid and c.relkind <> 'c')
    union all
    select 'pg_language'::regclass, oid, 0, 'language', quote_ident(lanname), lanacl, lanowner, 'l', null from pg_language
    union all
    select 'pg_foreign_data_wrapper'::regclass, oid, 0, 'foreign-data wrapper', quote_ident(fdwname), fdwacl, fdwowner, 'F', null from pg_foreign_data_wrapper
    union all
    select 'pg_foreign_server'::regclass, oid, 0, 'server', quote_ident(srvname), srvacl, srvowner, 'S', null from pg_foreign_server
) as w
where (w.oid >= 16384 or w.kind = 'schema' and w.name = 'public')
  and coalesce(w.schema <> all ($1) and w.schema not in ('pg_catalog', 'information_schema') and w.schema !~ '^pg_(toast|temp)', true)
  and not exists (
      select from pg_depend d where d.classid = w.class and d.objid = w.oid and d.deptype in ('e', 'i')
  )
