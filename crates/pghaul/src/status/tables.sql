-- The tables of the plan with their receipts. The last receipt of a part has no next.
select r.schema_name
     , r.table_name
     , r.bytes
     , pg_catalog.count(p.id) as parts
     , pg_catalog.count(p.id) filter (where p.done) as parts_done
     , coalesce(pg_catalog.sum(p.rows), 0)::int8 as rows
     , coalesce(pg_catalog.sum(p.bytes), 0)::int8 as bytes
  from pghaul.relation r
  left join (
         select part.id
              , part.relation
              , coalesce(pg_catalog.bool_or(c.next_block is null and c.part is not null), false) as done
              , pg_catalog.sum(c.rows) as rows
              , pg_catalog.sum(c.bytes) as bytes
           from pghaul.part
           left join pghaul.receipt c on c.part = part.id
          group by part.id, part.relation
       ) p on p.relation = r.id
 group by r.id, r.schema_name, r.table_name, r.bytes
 order by r.id
