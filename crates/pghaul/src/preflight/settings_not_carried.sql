-- Settings of roles and databases. Their values may hold secrets and are not read. Columns: object, setting.
select case when d.datname is null then format('role %I', r.rolname)
            when r.rolname is null then format('database %I', d.datname)
            else format('role %I in database %I', r.rolname, d.datname) end
     , string_agg(split_part(setting, '=', 1), ', ' order by setting)
from pg_db_role_setting as s
left join pg_database as d on d.oid = s.setdatabase
left join pg_roles as r on r.oid = s.setrole
cross join lateral unnest(s.setconfig) as setting
where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
group by 1
order by 1
