-- Settings that functions bring along, those of search_path apart. Columns: object, setting.
select p.oid::regprocedure::text, split_part(setting, '=', 1)
from pg_proc as p, unnest(p.proconfig) as setting
where p.oid >= 16384
  and setting !~* '^search_path='
  and not exists (
      select from pg_depend as d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by 1, 2
