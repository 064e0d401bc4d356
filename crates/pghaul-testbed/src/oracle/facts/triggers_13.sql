-- States of triggers that partitions have from their root. $1: schemas left out.
select 'trigger ' || quote_ident(t.tgname) || ' on ' || format('%I.%I', n.nspname, c.relname) as object,
       'state' as fact,
       t.tgenabled::text as value
from pg_trigger t
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
where t.tgparentid <> 0
  and t.tgconstraint = 0
  and n.nspname <> all ($1)
