-- Replication slots of this database. Columns: object, plugin.
select quote_ident(slot_name), plugin
from pg_replication_slots
where database = current_database()
order by 1
