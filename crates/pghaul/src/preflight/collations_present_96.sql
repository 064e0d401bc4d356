-- The collations that this database can use (9.6). Columns: schema, name, provider, locale.
select n.nspname, c.collname, 'libc', c.collcollate
from pg_collation as c
join pg_namespace as n on n.oid = c.collnamespace
where c.collencoding in (-1, (select encoding from pg_database where datname = current_database()))
