-- The run's tables, by their names on the source, whose rows are in unlogged tables.
select r.schema_name, r.table_name
  from pghaul.relation r
  join pg_catalog.pg_namespace n on n.nspname in (r.schema_name, r.target_schema)
  join pg_catalog.pg_class c on c.relnamespace = n.oid
   and (n.nspname, c.relname) in ((r.schema_name, r.table_name), (r.target_schema, r.target_table))
 where c.relpersistence = 'u'
 group by r.id
 order by r.id
