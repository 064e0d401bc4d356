-- Which of these indexes ($1) cannot be replaced by a new one, since something holds on to them or to
-- their constraint: foreign keys, views grouped by a key, extensions. Columns: index, by what.
select i.indexrelid::int8
     , pg_catalog.min(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
  from pg_catalog.pg_index i
  left join pg_catalog.pg_constraint o
    on o.conindid = i.indexrelid and o.conrelid = i.indrelid and o.contype in ('p', 'u', 'x')
  join pg_catalog.pg_depend d
    on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = i.indexrelid
    or d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.refobjid = o.oid
 where i.indexrelid = any ($1)
   and not (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid)
   and d.deptype <> 'i'
 group by 1
 union all
select d.objid::int8
     , pg_catalog.min(pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
  from pg_catalog.pg_depend d
 where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   and d.objid = any ($1)
   and d.deptype in ('e', 'x')
 group by 1
