-- What a schema dump does not show: whether indexes are valid, whether foreign keys are enforced,
-- versions of extensions, whether materialized views are populated. The third and fourth column
-- name the relation that a fact is about, if it is about one.
select 'index ' || pg_catalog.format('%s.%s', n.nspname, c.relname) as object
     , 'valid' as fact
     , n.nspname::text
     , t.relname::text
     , i.indisvalid::text as value
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
 where n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
union all
select 'foreign key ' || pg_catalog.format('%s.%s %s', n.nspname, c.relname, k.conname)
     , 'enforced'
     , n.nspname
     , c.relname
     , pg_catalog.bool_and(g.tgenabled = 'O')::text
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_trigger g on g.tgconstraint = k.oid
  join pg_catalog.pg_class c on c.oid = k.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where k.contype = 'f'
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
 group by n.nspname, c.relname, k.conname
union all
select 'materialized view ' || pg_catalog.format('%s.%s', n.nspname, c.relname)
     , 'populated'
     , n.nspname
     , c.relname
     , c.relispopulated::text
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'm'
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
union all
select 'extension ' || e.extname
     , 'version'
     , null
     , null
     , e.extversion
  from pg_catalog.pg_extension e
