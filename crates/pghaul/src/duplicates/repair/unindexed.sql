-- Foreign keys to the table $1 whose column no index of the child can find: by a B-tree that begins
-- with the column, whole or without its NULLs.
select distinct n.nspname::text, c.relname::text, a.attname::text
  from pg_catalog.pg_constraint o
  join pg_catalog.pg_class c on c.oid = o.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = o.conkey[1]
 where o.confrelid = $1::int8::pg_catalog.oid
   and o.contype = 'f'
   and c.relkind = 'r'
   and not exists (
       select
         from pg_catalog.pg_index i
         join pg_catalog.pg_class x on x.oid = i.indexrelid
         join pg_catalog.pg_am m on m.oid = x.relam
        where i.indrelid = o.conrelid
          and i.indisvalid
          and m.amname = 'btree'
          and i.indkey[0] = a.attnum
          and (i.indpred is null
               or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = '(' || pg_catalog.quote_ident(a.attname) || ' IS NOT NULL)'))
 order by 1, 2, 3
