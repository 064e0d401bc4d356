-- The functions of the extension amcheck. Columns: schema, function, parameters, may call.
select n.nspname::text
     , p.proname::text
     , p.pronargs::int8
     , pg_catalog.has_function_privilege(p.oid, 'execute')
       and pg_catalog.has_schema_privilege(n.oid, 'usage')
  from pg_catalog.pg_extension e
  join pg_catalog.pg_depend d
    on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
   and d.refobjid = e.oid
   and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   and d.deptype = 'e'
  join pg_catalog.pg_proc p on p.oid = d.objid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where e.extname = 'amcheck'
   and p.proname in ('bt_index_check', 'gin_index_check', 'verify_heapam')
 order by 2, 3
