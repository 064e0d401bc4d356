-- How far builds are (12 and newer). $1: the processes that build. Columns: process, phase, done,
-- of how many: blocks while the table is read, tuples while they are loaded.
select p.pid::int4
     , p.phase::text
     , (case when p.blocks_total > 0 and p.tuples_done = 0 then p.blocks_done else p.tuples_done end)::int8
     , (case when p.blocks_total > 0 and p.tuples_done = 0 then p.blocks_total else p.tuples_total end)::int8
  from pg_catalog.pg_stat_progress_create_index p
 where p.pid = any ($1)
