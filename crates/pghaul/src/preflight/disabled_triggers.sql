-- Triggers that do not fire as usual. Columns: schema, table, trigger, state.
select n.nspname, c.relname, t.tgname
     , case t.tgenabled when 'D' then 'disabled' when 'R' then 'fires for replicas only' else 'fires always' end
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join pg_namespace as n on n.oid = c.relnamespace
where not t.tgisinternal
  and t.tgenabled <> 'O'
order by 1, 2, 3
