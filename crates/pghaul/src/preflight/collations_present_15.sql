-- The collations that this database can use (15 and 16). Columns: schema, name, provider, locale.
select n.nspname, c.collname, case c.collprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin' else 'default' end, coalesce(c.collcollate, c.colliculocale)
from pg_collation as c
join pg_namespace as n on n.oid = c.collnamespace
where c.collencoding in (-1, (select encoding from pg_database where datname = current_database()))
