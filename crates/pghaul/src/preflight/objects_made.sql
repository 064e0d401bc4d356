-- What the source has and a copy makes on the target: not what belongs to extensions or to tables. Columns: kind, schema, name.
with member as (
    select classid, objid from pg_depend where deptype = 'e'
), space as (
    select oid, nspname from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'pghaul')
), made as (
    select 'pg_namespace'::regclass as classid, oid as objid, 'SCHEMA' as kind, 0::oid as space, nspname::text as name
    from space where nspname <> 'public'
    union all
    select 'pg_class'::regclass, oid
         , case relkind when 'S' then 'SEQUENCE' when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' when 'f' then 'FOREIGN TABLE' else 'TABLE' end
         , relnamespace, relname::text
    from pg_class where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all
    select 'pg_type'::regclass, t.oid, case t.typtype when 'd' then 'DOMAIN' else 'TYPE' end, t.typnamespace, t.typname::text
    from pg_type as t
    left join pg_class as c on c.oid = t.typrelid
    where t.typtype in ('d', 'e', 'r') or c.relkind = 'c' or (t.typtype = 'b' and t.typelem = 0)
    union all
    select 'pg_proc'::regclass, oid, 'FUNCTION', pronamespace, proname || '(' || oidvectortypes(proargtypes) || ')' from pg_proc
    union all
    select 'pg_collation'::regclass, oid, 'COLLATION', collnamespace, collname::text from pg_collation
    union all
    select 'pg_conversion'::regclass, oid, 'CONVERSION', connamespace, conname::text from pg_conversion
    union all
    select 'pg_ts_config'::regclass, oid, 'TEXT SEARCH CONFIGURATION', cfgnamespace, cfgname::text from pg_ts_config
    union all
    select 'pg_ts_dict'::regclass, oid, 'TEXT SEARCH DICTIONARY', dictnamespace, dictname::text from pg_ts_dict
    union all
    select 'pg_foreign_data_wrapper'::regclass, oid, 'FOREIGN DATA WRAPPER', 0, fdwname::text from pg_foreign_data_wrapper
    union all
    select 'pg_foreign_server'::regclass, oid, 'SERVER', 0, srvname::text from pg_foreign_server
    union all
    select 'pg_event_trigger'::regclass, oid, 'EVENT TRIGGER', 0, evtname::text from pg_event_trigger
)
select made.kind, coalesce(space.nspname::text, ''), made.name
from made
left join space on space.oid = made.space
left join member on member.classid = made.classid and member.objid = made.objid
where member.objid is null
  and (made.space = 0 or space.oid is not null)
  and made.objid >= 16384
order by 1, 2, 3
