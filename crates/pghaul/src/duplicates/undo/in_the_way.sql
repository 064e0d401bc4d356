-- The index $1.$2, if it keeps rows apart: how to drop it, how to bring it back, and the foreign
-- keys that need it; what goes with an index beside its definition; whether changes of rows are told to
-- others by it. Rows that share a key do not fit under it. Of a partition's index, the whole tree's,
-- which goes and comes as one.
with recursive above (oid, depth) as (
       select x.oid, 0
         from pg_catalog.pg_class x
         join pg_catalog.pg_namespace n on n.oid = x.relnamespace
        where n.nspname = $1
          and x.relname = $2
       union all
       select h.inhparent, above.depth + 1
         from above
         join pg_catalog.pg_inherits h on h.inhrelid = above.oid
)
select xn.nspname::text as index_schema
     , x.relname::text as index_name
     , case x.relkind
           when 'I' then pg_catalog.replace(pg_catalog.pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
           else pg_catalog.pg_get_indexdef(i.indexrelid)
       end as index_definition
     , tn.nspname::text as table_schema
     , t.relname::text as table_name
     , o.conname::text as constraint_name
     , pg_catalog.pg_get_constraintdef(o.oid) as constraint_definition
     , array(
           select pg_catalog.format('alter table %I.%I drop constraint %I', fn.nspname, ft.relname, f.conname)
             from pg_catalog.pg_constraint f
             join pg_catalog.pg_class ft on ft.oid = f.conrelid
             join pg_catalog.pg_namespace fn on fn.oid = ft.relnamespace
            where f.contype = 'f' and f.conindid = i.indexrelid
              and coalesce((pg_catalog.to_jsonb(f) ->> 'conparentid')::int8, 0) = 0
            order by fn.nspname::text collate "C", ft.relname::text collate "C", f.conname::text collate "C"
       ) as key_drops
     , array(
           select pg_catalog.format('alter table %I.%I add constraint %I %s', fn.nspname, ft.relname, f.conname
                                   , pg_catalog.pg_get_constraintdef(f.oid))
             from pg_catalog.pg_constraint f
             join pg_catalog.pg_class ft on ft.oid = f.conrelid
             join pg_catalog.pg_namespace fn on fn.oid = ft.relnamespace
            where f.contype = 'f' and f.conindid = i.indexrelid
              and coalesce((pg_catalog.to_jsonb(f) ->> 'conparentid')::int8, 0) = 0
            order by fn.nspname::text collate "C", ft.relname::text collate "C", f.conname::text collate "C"
       ) as key_adds
     , array(
           select s.statement
             from (select 1 as place, pg_catalog.format('alter table %I.%I cluster on %I', tn.nspname, t.relname, x.relname) as statement
                    where i.indisclustered
                    union all
                   select 2, pg_catalog.format('alter table %I.%I replica identity using index %I', tn.nspname, t.relname, x.relname)
                    where i.indisreplident
                    union all
                   select 3, pg_catalog.format('comment on index %I.%I is %L', xn.nspname, x.relname, d.description)
                     from pg_catalog.obj_description(x.oid, 'pg_class') as d (description)
                    where d.description is not null
                    union all
                   select 4, pg_catalog.format('comment on constraint %I on %I.%I is %L', o.conname, tn.nspname, t.relname, d.description)
                     from pg_catalog.obj_description(o.oid, 'pg_constraint') as d (description)
                    where d.description is not null
                    union all
                   (select 5, pg_catalog.format('comment on constraint %I on %I.%I is %L', f.conname, fn.nspname, ft.relname, d.description)
                      from pg_catalog.pg_constraint f
                      join pg_catalog.pg_class ft on ft.oid = f.conrelid
                      join pg_catalog.pg_namespace fn on fn.oid = ft.relnamespace
                     cross join lateral pg_catalog.obj_description(f.oid, 'pg_constraint') as d (description)
                     where f.contype = 'f' and f.conindid = i.indexrelid
                       and coalesce((pg_catalog.to_jsonb(f) ->> 'conparentid')::int8, 0) = 0
                       and d.description is not null)) s
            order by s.place, s.statement collate "C"
       ) as settings
     , i.indisreplident or i.indisprimary and t.relreplident = 'd' as identifies
     , t.relreplident = 'd' as by_default
     , pg_catalog.quote_ident(x.relname) as quoted_name
     , pg_catalog.has_schema_privilege(xn.oid, 'create') as may_create
     -- A view may group by a primary key, and show other columns of the table then.
     , array(
           select distinct pg_catalog.format('%s.%s', vn.nspname, v.relname)
             from pg_catalog.pg_depend d
             join pg_catalog.pg_rewrite r on r.oid = d.objid
             join pg_catalog.pg_class v on v.oid = r.ev_class
             join pg_catalog.pg_namespace vn on vn.oid = v.relnamespace
            where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
              and d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
              and d.refobjid = o.oid
            order by 1
       ) as views
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace xn on xn.oid = x.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  left join pg_catalog.pg_constraint o on o.conindid = i.indexrelid and o.contype in ('p', 'u') and o.conrelid = i.indrelid
 where i.indisunique
   and x.oid = (select a.oid from above a order by a.depth desc limit 1)
