-- What uses the system column oid of a table WITH OIDS, which no table has from 12 on: indexes, keys, views. Columns: schema, relation (a view is one by itself), what uses it, the table.
select n.nspname, r.relname
     , pg_describe_object(d.classid, d.objid, 0), quote_ident(tn.nspname) || '.' || quote_ident(t.relname)
from pg_depend as d
join pg_class as t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
join pg_namespace as tn on tn.oid = t.relnamespace
left join pg_rewrite as w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
join pg_class as r on r.oid = coalesce(w.ev_class, t.oid)
join pg_namespace as n on n.oid = r.relnamespace
where d.refobjsubid = -2
  and t.relhasoids
  and t.oid >= 16384
  and tn.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
order by 1, 2, 3
