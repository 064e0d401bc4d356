-- Indexes of the partition $1 that are a part of nothing yet and may be one of the index $2: the same
-- access method, number of columns and uniqueness. Whether they are, the server says when they are
-- attached. Columns: schema, name.
select n.nspname::text
     , x.relname::text
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = x.relnamespace
  join pg_catalog.pg_index w on w.indexrelid = $2
  join pg_catalog.pg_class wx on wx.oid = w.indexrelid
 where i.indrelid = $1
   and x.relam = wx.relam
   and i.indnatts = w.indnatts
   and i.indisunique = w.indisunique
   and (x.relkind = 'I' or i.indisvalid and i.indisready)
   and x.relname !~ '^pghaul_part_[0-9]+_[0-9]+$'
   and not exists (select 1 from pg_catalog.pg_inherits h where h.inhrelid = x.oid)
 order by 2
