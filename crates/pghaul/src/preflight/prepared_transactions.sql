-- Prepared transactions of this database. Columns: object, role, time.
select quote_literal(gid), owner, prepared::text
from pg_prepared_xacts
where database = current_database()
order by prepared
