-- What a new index needs to take the place of an old one ($1), on servers before 12. Columns: what
-- follows `INDEX name ON`, tablespace, comment, whether the table is clustered by it, whether it is
-- the replica identity, constraint, its kind, deferrable, deferred, its comment, columns with a
-- statistics target of their own.
select pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid)
                       , pg_catalog.length('CREATE ' || case when i.indisunique then 'UNIQUE ' else '' end
                                           || 'INDEX ' || pg_catalog.quote_ident(x.relname) || ' ON ') + 1)
     , s.spcname::text
     , pg_catalog.obj_description(x.oid, 'pg_class')
     , i.indisclustered
     , i.indisreplident
     , o.conname::text
     , o.contype::text
     , coalesce(o.condeferrable, false)
     , coalesce(o.condeferred, false)
     , pg_catalog.obj_description(o.oid, 'pg_constraint')
     , (select pg_catalog.array_agg(a.attnum::int4 order by a.attnum) from pg_catalog.pg_attribute a
         where a.attrelid = x.oid and a.attstattarget >= 0)
     , (select pg_catalog.array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
         where a.attrelid = x.oid and a.attstattarget >= 0)
     , (select pg_catalog.array_agg(a.attstattarget::int4 order by a.attnum) from pg_catalog.pg_attribute a
         where a.attrelid = x.oid and a.attstattarget >= 0)
     , i.indisunique
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  left join pg_catalog.pg_tablespace s on s.oid = x.reltablespace
  left join pg_catalog.pg_constraint o
    on o.conindid = i.indexrelid and o.conrelid = i.indrelid and o.contype in ('p', 'u')
 where i.indexrelid = $1
