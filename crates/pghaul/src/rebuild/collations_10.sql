-- What is known of collations on 10 to 14, where the database's own has no recorded version. $1:
-- their OIDs; 100 is the database's own. Columns: oid, name, whether its order and its classes of
-- characters are those of bytes, whether equal is equal bytes, the recorded version, the present one.
select c.oid::int8
     , case when c.oid = 100 then null else n.nspname::text end as schema_name
     , case when c.oid = 100 then d.datname else c.collname end::text             as collation_name
     , case when c.oid = 100 then d.datcollate in ('C', 'POSIX')
            else c.collprovider = 'c' and c.collcollate in ('C', 'POSIX') end     as by_bytes
     , case when c.oid = 100 then d.datctype in ('C', 'POSIX')
            else c.collprovider = 'c' and c.collctype in ('C', 'POSIX') end       as plain
     , coalesce((pg_catalog.to_jsonb(c) ->> 'collisdeterministic')::bool, true)   as deterministic
     , case when c.oid <> 100 then c.collversion end                              as recorded
     , case when c.oid <> 100 then pg_catalog.pg_collation_actual_version(c.oid) end as actual
     , case when c.oid = 100 then d.datcollate else c.collcollate end::text       as locale
     , case when c.oid <> 100 and c.collprovider = 'i' then 'icu' else 'libc' end as provider
     , c.oid <> 100 and pg_catalog.pg_has_role(c.collowner, 'usage')              as may_refresh
  from pg_catalog.pg_collation c
  join pg_catalog.pg_namespace n on n.oid = c.collnamespace
  join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
 where c.oid = any ($1)
