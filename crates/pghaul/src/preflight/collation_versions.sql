-- Collations whose order may have changed under the indexes: recorded and present version differ (10 and newer). Columns: object, recorded, actual.
select format('%I.%I', n.nspname, c.collname), c.collversion, pg_collation_actual_version(c.oid)
from pg_collation as c
join pg_namespace as n on n.oid = c.collnamespace
where c.collversion is not null
  and c.collencoding in (-1, (select encoding from pg_database where datname = current_database()))
  and c.collversion is distinct from pg_collation_actual_version(c.oid)
order by 1
