-- What is known of collations on 9.6, where nothing is recorded. $1: their OIDs; 100 is the
-- database's own. Columns: oid, name, whether its order and its classes of characters are those of
-- bytes, whether equal is equal bytes, the recorded version, the present one.
select c.oid::int8
     , case when c.oid = 100 then null else n.nspname::text end as schema_name
     , case when c.oid = 100 then d.datname else c.collname end::text             as collation_name
     , case when c.oid = 100 then d.datcollate else c.collcollate end in ('C', 'POSIX') as by_bytes
     , case when c.oid = 100 then d.datctype else c.collctype end in ('C', 'POSIX')     as plain
     , true                                                                       as deterministic
     , null::text                                                                 as recorded
     , null::text                                                                 as actual
     , case when c.oid = 100 then d.datcollate else c.collcollate end::text       as locale
     , 'libc'::text                                                               as provider
     , false                                                                      as may_refresh
  from pg_catalog.pg_collation c
  join pg_catalog.pg_namespace n on n.oid = c.collnamespace
  join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
 where c.oid = any ($1)
