-- Whether schema `pghaul` is there, is ours, holds repairs; and whether we could create it.
select n.oid is not null
     , coalesce(pg_catalog.pg_has_role(n.nspowner, 'usage'), false)
     , exists (select from pg_catalog.pg_class c
                where c.relnamespace = n.oid and c.relname = 'repair' and c.relkind = 'r')
     , coalesce(pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'), false)
  from (values (1)) one
  left join pg_catalog.pg_namespace n on n.nspname = 'pghaul'
