-- Who owns what is no relation. $1: schemas left out.
select w.kind || ' ' || w.name as object, 'owner' as fact, pg_get_userbyid(w.owner)::text as value
from (
    select 'pg_namespace'::regclass as class, oid, 'schema' as kind, quote_ident(nspname) as name, nspowner as owner, oid as schema from pg_namespace
    union all
    select 'pg_proc'::regclass, oid, 'function', oid::regprocedure::text, proowner, pronamespace from pg_proc
    union all
    select 'pg_type'::regclass, oid, 'type', oid::regtype::text, typowner, typnamespace from pg_type where typrelid = 0 and typelem = 0 and typtype <> 'm'
    union all
    select 'pg_operator'::regclass, oid, 'operator', oid::regoperator::text, oprowner, oprnamespace from pg_operator
    union all
    select 'pg_opclass'::regclass, o.oid, 'operator class', format('%I.%I using %s', n.nspname, o.opcname, a.amname), o.opcowner, o.opcnamespace
    from pg_opclass o join pg_namespace n on n.oid = o.opcnamespace join pg_am a on a.oid = o.opcmethod
    union all
    select 'pg_opfamily'::regclass, o.oid, 'operator family', format('%I.%I using %s', n.nspname, o.opfname, a.amname), o.opfowner, o.opfnamespace
    from pg_opfamily o join pg_namespace n on n.oid = o.opfnamespace join pg_am a on a.oid = o.opfmethod
    union all
    select 'pg_collation'::regclass, c.oid, 'collation', format('%I.%I', n.nspname, c.collname), c.collowner, c.collnamespace
    from pg_collation c join pg_namespace n on n.oid = c.collnamespace
    union all
    select 'pg_conversion'::regclass, c.oid, 'conversion', format('%I.%I', n.nspname, c.conname), c.conowner, c.connamespace
    from pg_conversion c join pg_namespace n on n.oid = c.connamespace
    union all
    select 'pg_ts_config'::regclass, oid, 'text search configuration', oid::regconfig::text, cfgowner, cfgnamespace from pg_ts_config
    union all
    select 'pg_ts_dict'::regclass, oid, 'text search dictionary', oid::regdictionary::text, dictowner, dictnamespace from pg_ts_dict
    union all
    select 'pg_language'::regclass, oid, 'language', quote_ident(lanname), lanowner, 0 from pg_language
    union all
    select 'pg_foreign_data_wrapper'::regclass, oid, 'foreign-data wrapper', quote_ident(fdwname), fdwowner, 0 from pg_foreign_data_wrapper
    union all
    select 'pg_foreign_server'::regclass, oid, 'server', quote_ident(srvname), srvowner, 0 from pg_foreign_server
    union all
    select 'pg_event_trigger'::regclass, oid, 'event trigger', quote_ident(evtname), evtowner, 0 from pg_event_trigger
    union all
    select 'pg_extension'::regclass, oid, 'extension', quote_ident(extname), extowner, 0 from pg_extension where extname <> 'plpgsql'
) as w
left join pg_namespace n on n.oid = w.schema
where w.oid >= 16384
  and coalesce(n.nspname <> all ($1) and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)', true)
  and not exists (
      select from pg_depend d where d.classid = w.class and d.objid = w.oid and d.deptype in ('e', 'i')
  )
