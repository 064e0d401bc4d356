-- Tables whose file is not the one that this snapshot knows: rewritten, truncated or dropped since.
-- The catalog's row is as of the snapshot; pg_relation_filenode() is as of now.
select n.nspname::text, c.relname::text
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r'
   and c.relfilenode <> 0
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and c.relpersistence <> 't'
   and pg_catalog.pg_relation_filenode(c.oid) is distinct from c.relfilenode
 order by 1, 2
