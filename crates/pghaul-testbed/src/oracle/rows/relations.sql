-- All relations that hold rows of their own, or whose partitions do. $1: schemas left out.
select c.oid,
       n.nspname,
       c.relname,
       c.relkind::text as kind,
       c.relispopulated as populated,
       coalesce(i.inhparent, 0) as partition_of
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_inherits i on i.inhrelid = c.oid and (to_jsonb(c) ->> 'relispartition')::boolean
where c.relkind in ('r', 'p', 'm', 'f', 'S')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
order by n.nspname::text collate "C", c.relname::text collate "C"
