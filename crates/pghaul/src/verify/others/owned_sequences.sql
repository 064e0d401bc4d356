-- Sequences that belong to a column of a table, by serial or by identity. Whether one is behind a foreign
-- table or a view is not asked: the rows may live elsewhere, and reading them may fail.
select sn.nspname::text
     , s.relname::text
     , tn.nspname::text
     , t.relname::text
     , a.attname::text
  from pg_catalog.pg_depend d
  join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
  join pg_catalog.pg_class t on t.oid = d.refobjid and t.relkind in ('r', 'p')
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
  join pg_catalog.pg_type y on y.oid = a.atttypid
 where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   and d.refobjsubid > 0
   and d.deptype in ('a', 'i')
   and y.typname in ('int2', 'int4', 'int8', 'numeric')
   and tn.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and tn.nspname !~ '^pg_(toast|temp)'
