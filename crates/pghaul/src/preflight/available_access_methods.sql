-- The access methods of a server. Columns: none, name.
select null, amname from pg_am
