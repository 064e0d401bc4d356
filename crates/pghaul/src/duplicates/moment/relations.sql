-- What can be read of user relations, in the order of their names: $1 and $2 are schemas and names;
-- null for all. A privilege on a partition root does not reach its leaves when these are named.
select n.nspname::text
     , c.relname::text
     , c.oid::int8
     , pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select') as readable
     , pg_catalog.row_security_active(c.oid) as hidden_rows
     , pg_catalog.pg_relation_filenode(c.oid) is not distinct from nullif(c.relfilenode, 0) as unchanged
     , pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 as blocks
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm')
   and ($1::text[] is null
        or (n.nspname::text, c.relname::text) in (select u.s, u.t from unnest($1::text[], $2::text[]) u (s, t)))
   and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
   and n.nspname !~ '^pg_(toast|temp)'
   and c.relpersistence <> 't'
 order by 1, 2
