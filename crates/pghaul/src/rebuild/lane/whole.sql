-- What the parts of the partitioned index $1 have to be. Columns: its definition; what stands in it
-- before the access method; whether it is unique; its tablespace; its constraint's kind, definition,
-- deferrable, deferred.
select pg_catalog.pg_get_indexdef(i.indexrelid)
     , 'CREATE ' || case when i.indisunique then 'UNIQUE ' else '' end || 'INDEX '
       || pg_catalog.quote_ident(x.relname) || ' ON ONLY '
       || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname)
     , i.indisunique
     , s.spcname::text
     , o.contype::text
     , pg_catalog.pg_get_constraintdef(o.oid)
     , coalesce(o.condeferrable, false)
     , coalesce(o.condeferred, false)
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  left join pg_catalog.pg_tablespace s on s.oid = x.reltablespace
  left join pg_catalog.pg_constraint o
    on o.conindid = i.indexrelid and o.conrelid = i.indrelid and o.contype in ('p', 'u', 'x')
 where i.indexrelid = $1
