-- Foreign keys whose checks are switched off. Columns: schema, table, constraint.
select distinct n.nspname, c.relname, con.conname
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_constraint as con on con.oid = t.tgconstraint
where t.tgisinternal
  and t.tgenabled = 'D'
  and con.contype = 'f'
order by 1, 2, 3
