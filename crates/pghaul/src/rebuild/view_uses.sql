-- What materialized views ($1) read, through other views too. Columns: view, relation.
with recursive uses (viewed, read) as (
       select r.ev_class, d.refobjid
         from pg_catalog.pg_rewrite r
         join pg_catalog.pg_depend d
           on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
          and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> r.ev_class
        where r.ev_class = any ($1)
       union
       select u.viewed, d.refobjid
         from uses u
         join pg_catalog.pg_rewrite r on r.ev_class = u.read
         join pg_catalog.pg_depend d
           on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
          and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> r.ev_class
)
select u.viewed::int8, u.read::int8
  from uses u
