-- One query for each foreign key: how many rows refer to nothing. Indexes are not asked. Of partition
-- trees the whole, once.
select format('select %L, count(*) from %s as c where c.%I is not null and not exists (select from %s as p where p.%I = c.%I)'
             , o.conname, child.name, a.attname, parent.name, p.attname, a.attname)
  from pg_constraint o
  join pg_attribute a on a.attrelid = o.conrelid and a.attnum = o.conkey[1]
  join pg_attribute p on p.attrelid = o.confrelid and p.attnum = o.confkey[1]
  join lateral (select case c.relkind when 'p' then '' else 'only ' end || c.oid::regclass as name
                  from pg_class c where c.oid = o.conrelid) as child on true
  join lateral (select case c.relkind when 'p' then '' else 'only ' end || c.oid::regclass as name
                  from pg_class c where c.oid = o.confrelid) as parent on true
 where o.contype = 'f' and array_length(o.conkey, 1) = 1
   and coalesce((to_jsonb(o) ->> 'conparentid')::int8, 0) = 0
 order by o.conrelid::regclass::text, o.conname
