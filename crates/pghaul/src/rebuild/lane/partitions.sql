-- The partitions of the partitioned table $1, with what of each is a part of its index $2. Columns:
-- partition, schema, name, kind (r, p, f), the part's schema and name, whether it is valid.
select c.oid::int8
     , n.nspname::text
     , c.relname::text
     , c.relkind::text
     , pn.nspname::text
     , p.relname::text
     , coalesce(pi.indisvalid and pi.indisready, false)
  from pg_catalog.pg_inherits h
  join pg_catalog.pg_class c on c.oid = h.inhrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join (pg_catalog.pg_index pi
             join pg_catalog.pg_inherits ph on ph.inhrelid = pi.indexrelid
             join pg_catalog.pg_class p on p.oid = pi.indexrelid
             join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace)
    on pi.indrelid = c.oid and ph.inhparent = $2
 where h.inhparent = $1
   -- A partition that is being taken off (14 and newer).
   and not coalesce((pg_catalog.to_jsonb(h) ->> 'inhdetachpending')::bool, false)
 order by 2, 3
