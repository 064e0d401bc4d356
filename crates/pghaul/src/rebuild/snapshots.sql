-- Who holds a snapshot that a concurrent build will wait for: sessions of this database in a
-- transaction that is older than $1 seconds, prepared transactions. Columns: process, user,
-- application, state, seconds, prepared transaction.
select a.pid::int4
     , a.usename::text
     , a.application_name::text
     , a.state::text
     , extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8
     , null::text
  from pg_catalog.pg_stat_activity a
 where a.datname = pg_catalog.current_database()
   and a.pid <> pg_catalog.pg_backend_pid()
   and (a.backend_xmin is not null or a.backend_xid is not null)
   and a.xact_start < pg_catalog.clock_timestamp() - $1 * interval '1 second'
 union all
select 0
     , p.owner::text
     , null
     , 'prepared'
     , extract(epoch from pg_catalog.clock_timestamp() - p.prepared)::float8
     , p.gid::text
  from pg_catalog.pg_prepared_xacts p
 where p.database = pg_catalog.current_database()
 order by 5 desc nulls last
