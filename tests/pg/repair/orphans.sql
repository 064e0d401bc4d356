-- One query for each foreign key: how many rows refer to nothing. Indexes are not asked.
select format('select %L, count(*) from only %s as c where c.%I is not null and not exists (select from only %s as p where p.%I = c.%I)'
             , o.conname, o.conrelid::regclass, a.attname, o.confrelid::regclass, p.attname, a.attname)
  from pg_constraint o
  join pg_attribute a on a.attrelid = o.conrelid and a.attnum = o.conkey[1]
  join pg_attribute p on p.attrelid = o.confrelid and p.attnum = o.confkey[1]
 where o.contype = 'f' and array_length(o.conkey, 1) = 1
 order by o.conrelid::regclass::text, o.conname
