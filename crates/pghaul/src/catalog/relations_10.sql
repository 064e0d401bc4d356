-- Every relation that holds rows or a sequence, user schemas only. 10 and 11: partitions, only heaps.
with recursive up (relid, at, parent) as (
     select i.inhrelid, i.inhrelid, i.inhparent
       from pg_catalog.pg_inherits i
       join pg_catalog.pg_class k on k.oid = i.inhrelid and k.relispartition
      union all
     select up.relid, i.inhrelid, i.inhparent
       from up
       join pg_catalog.pg_inherits i on i.inhrelid = up.parent
       join pg_catalog.pg_class k on k.oid = i.inhrelid and k.relispartition),
roots (relid, root) as (
     select up.relid, up.parent
       from up
       join pg_catalog.pg_class k on k.oid = up.parent and not k.relispartition)
select c.oid::int8
     , n.nspname::text
     , c.relname::text
     , c.relkind::text
     , c.relpersistence::text
     , c.relispopulated
     -- Only of $1, null for all: measuring waits for whoever has the relation for itself.
     , case when $1::oid[] is null or measured.oid is not null
            then coalesce(pg_catalog.pg_relation_size(c.oid, 'main'), 0) else 0 end::int8 as heap_bytes
     , case when $1::oid[] is null or measured.oid is not null
            then coalesce(pg_catalog.pg_table_size(c.oid), 0) else 0 end::int8            as table_bytes
     , c.relispartition                                              as is_partition
     , t.root::int8                                                  as root
     , true                                                          as is_heap
     , case when e.extname is not null and x.condition is null then null
            else e.extname::text end                                 as extension
     , x.condition                                                   as extension_condition
     , e.extname is not null and x.condition is null                 as belongs_to_extension
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.unnest($1::oid[]) measured (oid) on measured.oid = c.oid
  left join roots t on t.relid = c.oid
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
