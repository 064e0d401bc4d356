-- Indexes that a rebuild which was interrupted has left behind: those of REINDEX CONCURRENTLY by
-- their names (Postgres manual, REINDEX, "Rebuilding Indexes Concurrently") and pghaul's own twins,
-- each beside the index that it was to replace, on the same table and defined alike; parts of
-- partitioned indexes that pghaul built and that were not needed any more. Of TOAST tables too, whose
-- table is the one that the values belong to.
-- Columns: index, schema, name, table, table schema, table name, the index that it was to replace.
select x.oid::int8
     , n.nspname::text
     , x.relname::text
     , t.oid::int8
     , tn.nspname::text
     , t.relname::text
     , bx.relname::text
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = x.relnamespace
  left join pg_catalog.pg_class owner on owner.reltoastrelid = i.indrelid
  join pg_catalog.pg_class t on t.oid = coalesce(owner.oid, i.indrelid)
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_index b on b.indrelid = i.indrelid and b.indexrelid <> i.indexrelid
  join pg_catalog.pg_class bx on bx.oid = b.indexrelid and bx.relam = x.relam
 where not exists (select 1 from pg_catalog.pg_constraint o where o.conindid = x.oid and o.conrelid = i.indrelid)
   and (    not i.indisvalid
        and x.relname ~ '_cc(new|old)[0-9]*$'
        and bx.relname !~ '_cc(new|old)[0-9]*$'
        -- A long name is cut to make room.
        and pg_catalog.strpos(bx.relname::text
                            , pg_catalog.regexp_replace(x.relname::text, '_cc(new|old)[0-9]*$', '')) = 1
        and (   bx.relname::text = pg_catalog.regexp_replace(x.relname::text, '_cc(new|old)[0-9]*$', '')
             or pg_catalog.octet_length(x.relname::text) >= 60)
        or  x.relname = 'pghaul_twin_' || bx.oid::text
        or  x.relname = (select 'pghaul_part_' || h.inhparent::text || '_' || i.indrelid::text
                           from pg_catalog.pg_inherits h where h.inhrelid = bx.oid))
   and b.indkey::text = i.indkey::text
   and b.indclass::text = i.indclass::text
   and b.indcollation::text = i.indcollation::text
   and b.indoption::text = i.indoption::text
   and b.indisunique = i.indisunique
   and (b.indexprs is null) = (i.indexprs is null)
   and (b.indpred is null) = (i.indpred is null)
   and t.oid = any ($1)
 order by t.oid, x.oid
