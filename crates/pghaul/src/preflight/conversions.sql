-- Conversions of encodings that users made; their functions have another signature from 14 on. Columns: object.
select format('%I.%I', n.nspname, c.conname)
from pg_conversion as c
join pg_namespace as n on n.oid = c.connamespace
where c.oid >= 16384
  and not exists (
      select from pg_depend as d
      where d.classid = 'pg_conversion'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1
