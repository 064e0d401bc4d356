-- Rows of groups that keep an index from being built. unnest of several arrays is known to the
-- parser by its bare name only.
insert into pghaul.duplicate_row (object, number, schema_name, table_name, place, primary_key)
select $1, u.number, u.schema_name, u.table_name, u.place, u.primary_key
  from unnest($2::int8[], $3::text[], $4::text[], $5::text[], $6::text[])
       u (number, schema_name, table_name, place, primary_key)
