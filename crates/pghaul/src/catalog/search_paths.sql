-- Tables that the planner may not be able to look at with an empty search path, and one under which it
-- is. It puts the bodies of functions in SQL into the expressions of indexes and statistics, and a body
-- may name things without their schema, as applications find them: by the default of this role and
-- database, or beside the table, the function, or an extension.
with used (relation, class, object) as (
     select i.indrelid, d.refclassid, d.refobjid
       from pg_catalog.pg_index i
       join pg_catalog.pg_depend d
         on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
      where i.indexprs is not null or i.indpred is not null
      union all -- from 14
     select s.stxrelid, d.refclassid, d.refobjid -- from 14
       from pg_catalog.pg_statistic_ext s -- from 14
       join pg_catalog.pg_depend d -- from 14
         on d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass and d.objid = s.oid -- from 14
      where s.stxexprs is not null -- from 14
), called (relation, function) as (
     select u.relation, u.object from used u where u.class = 'pg_catalog.pg_proc'::pg_catalog.regclass
      union
     select u.relation, o.oprcode::pg_catalog.oid
       from used u
       join pg_catalog.pg_operator o
         on u.class = 'pg_catalog.pg_operator'::pg_catalog.regclass and o.oid = u.object
), replaced (relation, namespace) as (
     select c.relation, p.pronamespace
       from called c
       join pg_catalog.pg_proc p on p.oid = c.function
       join pg_catalog.pg_language l on l.oid = p.prolang
      where p.oid >= 16384
        and l.lanname = 'sql'
        and p.proconfig is null
), places (relation, namespace) as (
     select r.relation, r.namespace from replaced r
      union
     select r.relation, c.relnamespace
       from replaced r
       join pg_catalog.pg_class c on c.oid = r.relation
      union
     select r.relation, e.extnamespace from replaced r cross join pg_catalog.pg_extension e
)
select p.relation::int8
     , pg_catalog.concat_ws(', '
         , (select nullif(s.reset_val, '') from pg_catalog.pg_settings s where s.name = 'search_path')
         , pg_catalog.string_agg(pg_catalog.quote_ident(n.nspname), ', ' order by n.nspname)) as search_path
  from places p
  join pg_catalog.pg_namespace n on n.oid = p.namespace
 where n.nspname <> 'pg_catalog'
 group by p.relation
