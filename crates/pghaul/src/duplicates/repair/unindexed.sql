-- Foreign keys to the table $1 whose columns no index of the child can find: by a B-tree that begins
-- with one of them, whole or without its NULLs; and whether this role may create one. Of a partitioned
-- child its partitions.
with recursive referring (oid, columns) as (
       select o.conrelid
            , array(
                  select a.attname::text
                    from pg_catalog.unnest(o.conkey) with ordinality f (attnum, place)
                    join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = f.attnum
                   order by f.place
              )
         from pg_catalog.pg_constraint o
        where o.confrelid = $1::int8::pg_catalog.oid
          and o.contype = 'f'
        union
       select h.inhrelid, referring.columns
         from referring
         join pg_catalog.pg_class p on p.oid = referring.oid and p.relkind = 'p'
         join pg_catalog.pg_inherits h on h.inhparent = p.oid
)
select n.nspname::text
     , c.relname::text
     , r.columns
     , pg_catalog.bool_and(pg_catalog.has_schema_privilege(n.oid, 'create')
                           and pg_catalog.pg_has_role(c.relowner, 'usage')) as may_index
  from referring r
  join pg_catalog.pg_class c on c.oid = r.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r'
   and not exists (
       select
         from pg_catalog.pg_index i
         join pg_catalog.pg_class x on x.oid = i.indexrelid
         join pg_catalog.pg_am m on m.oid = x.relam
         join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = r.oid
          and i.indisvalid
          and m.amname = 'btree'
          and a.attname::text = any (r.columns)
          and (i.indpred is null
               or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = '(' || pg_catalog.quote_ident(a.attname) || ' IS NOT NULL)'))
 group by 1, 2, 3
 order by 1, 2, 3
