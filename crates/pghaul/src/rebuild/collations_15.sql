-- What is known of collations on 15 and newer. $1: their OIDs; 100 is the database's own. Columns:
-- oid, name, whether its order and its classes of characters are those of bytes, whether equal is
-- equal bytes, the recorded version, the present one.
select c.oid::int8
     , case when c.oid = 100 then null else n.nspname::text end as schema_name
     , case when c.oid = 100 then d.datname else c.collname end::text             as collation_name
     , l.provider = 'b' or l.provider = 'c' and l.by in ('C', 'POSIX')            as by_bytes
     , l.provider = 'b' or l.provider = 'c' and l.characters in ('C', 'POSIX')    as plain
     , c.oid = 100 or c.collisdeterministic                                       as deterministic
     , case when c.oid = 100 then d.datcollversion else c.collversion end         as recorded
     , case when c.oid = 100 then pg_catalog.pg_database_collation_actual_version(d.oid)
            else pg_catalog.pg_collation_actual_version(c.oid) end                as actual
     , coalesce(l.by
              , pg_catalog.to_jsonb(c) ->> 'colllocale'
              , pg_catalog.to_jsonb(c) ->> 'colliculocale')                       as locale
     , case l.provider when 'c' then 'libc' when 'i' then 'icu' else 'builtin' end as provider
     , case when c.oid = 100 then pg_catalog.pg_has_role(d.datdba, 'usage')
            else pg_catalog.pg_has_role(c.collowner, 'usage') end                 as may_refresh
  from pg_catalog.pg_collation c
  join pg_catalog.pg_namespace n on n.oid = c.collnamespace
  join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
 cross join lateral (
       select case when c.oid = 100 then d.datlocprovider else c.collprovider end::text
            , case when c.oid <> 100 then c.collcollate
                   when d.datlocprovider = 'c' then d.datcollate
                   else coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale'
                               , pg_catalog.to_jsonb(d) ->> 'daticulocale') end::text
            , case when c.oid = 100 then d.datctype else c.collctype end::text) l (provider, by, characters)
 where c.oid = any ($1)
