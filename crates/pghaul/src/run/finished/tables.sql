-- The tables of a run in the order of its plan: where their rows went, and the image that their
-- digests are made of.
select r.id
     , r.target_schema
     , r.target_table
     , pg_catalog.min(c.image) as image
  from pghaul.relation r
  left join pghaul.part p on p.relation = r.id
  left join pghaul.receipt c on c.part = p.id
 group by r.id, r.target_schema, r.target_table
 order by r.id
