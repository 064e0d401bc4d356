-- The run as a whole. $1 is how the application_name of its sessions begins.
select r.tool
     , extract(epoch from pg_catalog.clock_timestamp() - r.started)::float8 as age
     , extract(epoch from r.finished - r.started)::float8 as took
     , (select pg_catalog.count(*)
          from pg_catalog.pg_stat_activity a
         where a.datname = pg_catalog.current_database()
           and (a.application_name = $1 or a.application_name like $1 || ' %')) as sessions
     , (select coalesce(pg_catalog.sum(c.bytes), 0)::int8
          from pghaul.receipt c
         where c.committed > pg_catalog.clock_timestamp() - interval '1 minute') as bytes_last_minute
     , (select pg_catalog.count(*) from pghaul.step) as steps_done
  from pghaul.run r
