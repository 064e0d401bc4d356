-- The collations that columns, domains and indexes of users name, and those that users made. Columns: schema, name, provider, locale, made by a user.
with used as (
    select a.attcollation as oid
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    where a.attrelid >= 16384 and not a.attisdropped and c.relkind in ('r', 'p', 'm', 'v', 'c', 'f')
    union
    select unnest(i.indcollation::oid[]) from pg_index as i where i.indexrelid >= 16384
    union
    select t.typcollation from pg_type as t where t.typtype = 'd' and t.oid >= 16384
    union
    select c.oid from pg_collation as c where c.oid >= 16384
)
select n.nspname, c.collname
     , case c.collprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin' else 'default' end -- from 10
     , 'libc' -- before 10
     , coalesce(c.collcollate, c.colllocale) -- from 17
     , coalesce(c.collcollate, c.colliculocale) -- from 15 before 17
     , c.collcollate -- before 15
     , c.collnamespace <> 'pg_catalog'::regnamespace
from used
join pg_collation as c on c.oid = used.oid
join pg_namespace as n on n.oid = c.collnamespace
where c.collname not in ('default', 'C', 'POSIX')
order by 1, 2
