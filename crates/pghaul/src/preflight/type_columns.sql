-- Columns of types that other versions lack, or that hold references to objects and roles; found also inside domains, arrays and composites. Columns: schema, table or the like, column, type, whether that is the row type of a system's table, kind of relation.
with recursive special as (
    select t.oid, t.oid as holds
    from pg_type as t
    join pg_namespace as n on n.oid = t.typnamespace
    where n.nspname = 'pg_catalog'
      and t.typname in (
          'abstime', 'reltime', 'tinterval', 'smgr', 'unknown',
          'pg_node_tree', 'gtsvector', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'anyarray',
          'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary',
          'aclitem', 'regproc', 'regprocedure', 'regoper', 'regoperator', 'regclass', 'regtype',
          'regrole', 'regnamespace', 'regconfig', 'regdictionary', 'regcollation', 'regdatabase')
       or t.typtype = 'c' and t.oid < 16384 and n.nspname in ('pg_catalog', 'information_schema')
    union
    select t.oid, special.holds
    from special
    join pg_type as t
      on t.typtype = 'd' and t.typbasetype = special.oid
      or t.typtype = 'b' and t.typelem = special.oid and t.typlen = -1
      or t.typtype = 'c' and t.oid >= 16384 and exists (
          select from pg_attribute as a
          where a.attrelid = t.typrelid and a.atttypid = special.oid and a.attnum > 0 and not a.attisdropped)
)
select n.nspname, c.relname, a.attname, h.typname, h.typtype = 'c', c.relkind
from pg_attribute as a
join special on special.oid = a.atttypid
join pg_type as h on h.oid = special.holds
join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace
where a.attnum > 0
  and not a.attisdropped
  and c.relkind in ('r', 'p', 'm', 'f', 'c')
  and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
  and n.nspname !~ '^pg_(toast|temp)'
order by 1, 2, a.attnum
