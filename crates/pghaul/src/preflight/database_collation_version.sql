-- The database's own collation, if its order may have changed under the indexes (15 and newer). Columns: object, recorded, actual.
select quote_ident(datname), datcollversion, pg_database_collation_actual_version(oid)
from pg_database
where datname = current_database()
  and datcollversion is not null
  and datcollversion is distinct from pg_database_collation_actual_version(oid)
