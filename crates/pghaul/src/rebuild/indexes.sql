-- Every index of user tables and materialized views, and of their TOAST tables (whose table is the one
-- that the values belong to), with what decides how it can be rebuilt.
select i.indexrelid::int8
     , xn.nspname::text                                         as schema_name
     , x.relname::text                                          as index_name
     , t.oid::int8
     , tn.nspname::text                                         as table_schema
     , t.relname::text                                          as table_name
     , x.relkind = 'I'                                          as partitioned
     , t.relkind = 'm'                                          as on_view
     , am.amname::text                                          as method
     , i.indisunique
     , i.indisexclusion
     , i.indisvalid
     , i.indisready
     , i.indislive
     , o.conname::text                                          as constraint_name
     , coalesce(pg_catalog.pg_relation_size(x.oid), 0)::int8    as bytes
     , (select h.inhparent from pg_catalog.pg_inherits h where h.inhrelid = x.oid)::int8 as parent
     , t.relispopulated
     , (pg_catalog.pg_has_role(t.relowner, 'usage')
        or case when pg_catalog.current_setting('server_version_num')::int4 >= 170000
                then pg_catalog.has_table_privilege(t.oid, 'maintain') else false end)
       and (owner.oid is null or pg_catalog.has_schema_privilege('pg_toast', 'usage')) as may_rebuild
     , pg_catalog.pg_get_userbyid(t.relowner)::text             as owner
     , owner.oid is not null                                    as of_toast
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace xn on xn.oid = x.relnamespace
  join pg_catalog.pg_am am on am.oid = x.relam
  left join pg_catalog.pg_class owner on owner.reltoastrelid = i.indrelid
  join pg_catalog.pg_class t on t.oid = coalesce(owner.oid, i.indrelid)
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  left join pg_catalog.pg_constraint o
    on o.conindid = i.indexrelid and o.conrelid = i.indrelid and o.contype in ('p', 'u', 'x')
 where tn.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and tn.nspname !~ '^pg_(toast|temp)'
   and t.relpersistence <> 't'
 order by t.oid, x.oid
