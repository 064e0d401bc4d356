-- Every relation that holds rows or a sequence, user schemas only. Before 10 nothing is partitioned,
-- before 12 all tables are heaps.
with recursive up (relid, at, parent) as ( -- from 10
     select i.inhrelid, i.inhrelid, i.inhparent -- from 10
       from pg_catalog.pg_inherits i -- from 10
       join pg_catalog.pg_class k on k.oid = i.inhrelid and k.relispartition -- from 10
      union all -- from 10
     select up.relid, i.inhrelid, i.inhparent -- from 10
       from up -- from 10
       join pg_catalog.pg_inherits i on i.inhrelid = up.parent -- from 10
       join pg_catalog.pg_class k on k.oid = i.inhrelid and k.relispartition), -- from 10
roots (relid, root) as ( -- from 10
     select up.relid, up.parent -- from 10
       from up -- from 10
       join pg_catalog.pg_class k on k.oid = up.parent and not k.relispartition) -- from 10
select c.oid::int8
     , n.nspname::text
     , c.relname::text
     , c.relkind::text
     , c.relpersistence::text
     , c.relispopulated
     -- Only tables, and of these only $1, null for all: measuring waits for whoever has the relation
     -- for itself, as REFRESH has a materialized view.
     , case when c.relkind = 'r' and ($1::oid[] is null or measured.oid is not null)
            then coalesce(pg_catalog.pg_relation_size(c.oid, 'main'), 0) else 0 end::int8 as heap_bytes
     , case when c.relkind = 'r' and ($1::oid[] is null or measured.oid is not null)
            then coalesce(pg_catalog.pg_table_size(c.oid), 0) else 0 end::int8            as table_bytes
     , c.relispartition                                              as is_partition -- from 10
     , t.root::int8                                                  as root -- from 10
     , false as is_partition, null::int8 as root -- before 10
     , coalesce(a.amname = 'heap', true)                             as is_heap -- from 12
     , true                                                          as is_heap -- before 12
     , case when e.extname is not null and x.condition is null then null
            else e.extname::text end                                 as extension
     , x.condition                                                   as extension_condition
     , e.extname is not null and x.condition is null                 as belongs_to_extension
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.unnest($1::oid[]) measured (oid) on measured.oid = c.oid
  left join pg_catalog.pg_am a on a.oid = c.relam and c.relkind in ('r', 'm') -- from 12
  left join roots t on t.relid = c.oid -- from 10
  left join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
  left join pg_catalog.pg_extension e on e.oid = d.refobjid
  left join lateral (
       select e.extcondition[i] as condition
         from pg_catalog.generate_subscripts(e.extconfig, 1) i
        where e.extconfig[i] = c.oid) x on true
 where c.relkind in ('r', 'p', 'm', 'S', 'f')
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and c.relpersistence <> 't'
 order by c.oid
