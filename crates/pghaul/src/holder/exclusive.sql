-- Who has, or waits for, a lock on a table that keeps everybody else out. Columns: holder, user,
-- application, state, seconds of its transaction, prepared transaction, mode, relation, whether it has
-- the lock, the relation's schema and name.
select l.pid::int4
     , a.usename::text
     , a.application_name::text
     , a.state::text
     , extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8
     , p.gid::text
     , l.mode::text
     , c.oid::pg_catalog.regclass::text
     , l.granted
     , n.nspname::text
     , c.relname::text
  from pg_catalog.pg_locks l
  join pg_catalog.pg_database d on d.oid = l.database
  join pg_catalog.pg_class c on c.oid = l.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_stat_activity a on a.pid = l.pid
  left join pg_catalog.pg_prepared_xacts p
    on l.pid is null and l.virtualtransaction = '-1/' || p.transaction::text
 where l.locktype = 'relation'
   and l.mode = 'AccessExclusiveLock'
   and d.datname = pg_catalog.current_database()
 order by l.granted desc, 5 desc nulls last, 1
