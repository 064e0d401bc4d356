-- Whether a schema `pghaul` exists, whether it looks like a run's, or only repairs' are in it.
select n.oid is not null
     , exists (select 1
                 from pg_catalog.pg_class c
                 join pg_catalog.pg_attribute a on a.attrelid = c.oid
                where c.relnamespace = n.oid and c.relname = 'run' and c.relkind = 'r'
                  and a.attname = 'consistency' and not a.attisdropped)
     , coalesce(pg_catalog.pg_has_role(n.nspowner, 'usage'), false)
     , coalesce(pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'), false)
     , exists (select 1
                 from pg_catalog.pg_class c
                where c.relnamespace = n.oid and c.relname = 'repair' and c.relkind = 'r') as has_repairs
     , pg_catalog.pg_get_userbyid(n.nspowner)::text as owner
  from (values (1)) one
  left join pg_catalog.pg_namespace n on n.nspname = 'pghaul'
