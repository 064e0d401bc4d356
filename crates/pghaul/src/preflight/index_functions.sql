-- Functions in SQL, without a search path of their own and of no extension, that expressions and
-- conditions of indexes call. Columns: schema, relation, index, functions.
with called (index, relation, function) as (
     select i.indexrelid, i.indrelid, coalesce(o.oprcode::pg_catalog.oid, d.refobjid)
       from pg_catalog.pg_index i
       join pg_catalog.pg_depend d
         on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
       left join pg_catalog.pg_operator o
         on d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and o.oid = d.refobjid
      where (i.indexprs is not null or i.indpred is not null)
        and (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass or o.oid is not null)
)
select n.nspname
     , c.relname
     , x.relname as index
     , pg_catalog.string_agg(distinct p.oid::pg_catalog.regprocedure::text, ', ') as functions
  from called
  join pg_catalog.pg_class x on x.oid = called.index
  join pg_catalog.pg_class c on c.oid = called.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_proc p on p.oid = called.function
  join pg_catalog.pg_language l on l.oid = p.prolang
 where p.oid >= 16384
   and l.lanname = 'sql'
   and p.proconfig is null
   and not exists (
       select from pg_catalog.pg_depend e
        where e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          and e.objid = p.oid
          and e.deptype = 'e')
 group by n.nspname, c.relname, c.oid, x.relname, x.oid
 order by 1, 2, 3
