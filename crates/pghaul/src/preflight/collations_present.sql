-- The collations that this database can use. Columns: schema, name, provider, locale.
select n.nspname, c.collname
     , case c.collprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin' else 'default' end -- from 10
     , 'libc' -- before 10
     , coalesce(c.collcollate, c.colllocale) -- from 17
     , coalesce(c.collcollate, c.colliculocale) -- from 15 before 17
     , c.collcollate -- before 15
from pg_collation as c
join pg_namespace as n on n.oid = c.collnamespace
where c.collencoding in (-1, (select encoding from pg_database where datname = current_database()))
