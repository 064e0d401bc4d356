-- Values that the repair $1 took from rows of its table $2, which the plan found at $3, when they gave
-- up their keys; not of rows that have them back.
select u.plan_ctid::text
     , u.columns
     , u.tuple
  from pg_catalog.unnest($3::text[]::pg_catalog.tid[]) as p (ctid)
  join pghaul.undo_row as u on u.repair = $1 and u.place = $2 and u.plan_ctid = p.ctid
  join pghaul.repair_batch as b on b.id = u.batch and b.phase = 'release'
 where u.now_ctid is not null
   and not exists (
           select
             from pghaul.undo_row as later
             join pghaul.repair_batch as back on back.id = later.batch and back.phase = 'put back'
            where later.repair = $1 and later.place = $2 and later.plan_ctid = p.ctid
       )
