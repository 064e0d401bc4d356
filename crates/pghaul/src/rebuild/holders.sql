-- Who is waited for. $1: the processes that may be waiting. A prepared transaction has no process
-- (pg_blocking_pids gives 0 for it). Columns: waiter, holder, user, application, state, seconds of
-- its transaction, prepared transaction.
select w.pid::int4
     , b.pid::int4
     , a.usename::text
     , a.application_name::text
     , a.state::text
     , extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8
     , p.gid::text
  from pg_catalog.unnest($1::int4[]) w (pid)
 cross join lateral (select distinct u.pid
                       from pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) u (pid)) b
  left join pg_catalog.pg_stat_activity a on a.pid = b.pid
  left join pg_catalog.pg_prepared_xacts p
    on b.pid = 0 and p.database = pg_catalog.current_database()
 order by 1, 2, 7
