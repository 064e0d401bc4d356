-- Functions and aggregates over types that 12 took away, members of extensions apart. Columns: object, type.
select p.oid::regprocedure::text
     , string_agg(distinct format_type(t.oid, null), ', ')
from pg_proc as p
join pg_type as t
  on t.oid = p.prorettype or t.oid = any (p.proargtypes::oid[]) or t.oid = any (p.proallargtypes)
join pg_type as e on e.oid = t.oid or e.oid = t.typelem and t.typlen = -1
where e.typname in ('abstime', 'reltime', 'tinterval', 'smgr')
  and e.typnamespace = 'pg_catalog'::regnamespace
  and p.oid >= 16384
  and not exists (
      select from pg_depend as d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
group by p.oid
order by 1
