-- Rows that repair $4 found where an earlier one had left them, and that were put back: versions $1
-- (ctid) and $2 (xmin) of the table $5.$6 are at $3 now.
update pghaul.undo_row e
   set now_ctid = j.now::pg_catalog.tid
     , now_xid = (pg_catalog.txid_current() % 4294967296)::text
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]))
       as j (was, xid, now)
 where e.now_ctid = j.was::pg_catalog.tid
   and e.now_xid = j.xid
   and e.repair < $4
   and (e.repair, e.place) in (select t.repair, t.place
                                 from pghaul.repair_table t
                                where t.schema_name = $5
                                  and t.table_name = $6)
