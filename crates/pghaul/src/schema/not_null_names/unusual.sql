-- NOT NULL constraints of tables whose names need quotes.
select namespace.nspname::text, relation.relname::text, con.conname::text, attribute.attname::text
from pg_catalog.pg_constraint as con
join pg_catalog.pg_class as relation on relation.oid = con.conrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = relation.relnamespace
join pg_catalog.pg_attribute as attribute on attribute.attrelid = con.conrelid and attribute.attnum = con.conkey[1]
where con.contype = 'n'
  and con.conislocal
  and pg_catalog.quote_ident(con.conname) <> con.conname
order by 1, 2, 3
