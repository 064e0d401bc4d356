-- The attributes of all composite types, row types of relations included.
select c.reltype as type, a.attname, a.atttypid as attribute_type
from pg_class c
join pg_attribute a on a.attrelid = c.oid
where c.reltype <> 0 and a.attnum > 0 and not a.attisdropped
order by c.reltype, a.attname::text collate "C"
