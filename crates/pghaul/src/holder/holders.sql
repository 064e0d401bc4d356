-- Who is waited for. $1: the processes that may be waiting for a lock. A prepared transaction has
-- no process (pg_blocking_pids gives 0 for it, pg_locks null). Columns: waiter, holder, user,
-- application, state, seconds of its transaction, prepared transaction, its lock on the relation
-- that the waiter wants (mode, relation, whether it has it).
with locks as (
    select * from pg_catalog.pg_locks
)
select w.pid::int4
     , b.pid::int4
     , a.usename::text
     , a.application_name::text
     , a.state::text
     , extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8
     , p.gid::text
     , l.mode::text
     , l.relation::pg_catalog.regclass::text
     , l.granted
  from pg_catalog.unnest($1::int4[]) w (pid)
 cross join lateral (select distinct u.pid
                       from pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) u (pid)) b
  left join pg_catalog.pg_stat_activity a on a.pid = b.pid
  left join pg_catalog.pg_prepared_xacts p
    on b.pid = 0 and p.database = pg_catalog.current_database()
  left join lateral (select h.mode, h.relation, h.granted
                       from locks wanted
                       join locks h
                         on h.locktype = wanted.locktype
                        and h.database = wanted.database
                        and h.relation = wanted.relation
                      where wanted.locktype = 'relation'
                        and wanted.pid = w.pid
                        and not wanted.granted
                        and coalesce(h.pid, 0) = b.pid
                      order by h.granted desc, h.mode
                      limit 1) l on true
 order by 1, 2, 7
