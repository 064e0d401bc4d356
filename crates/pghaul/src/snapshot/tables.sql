-- Tables whose rows a run reads: what can be locked, partition roots included.
select n.nspname::text, c.relname::text
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
  left join pg_catalog.pg_extension e on e.oid = d.refobjid
 where c.relkind in ('r', 'p')
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and c.relpersistence <> 't'
   and (d.objid is null or c.oid = any (e.extconfig))
 order by 1, 2
