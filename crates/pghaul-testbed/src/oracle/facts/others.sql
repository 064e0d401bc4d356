-- Extensions, event triggers, publications' and collations' states. $1 is not used, every query is
-- given it.
select 'extension ' || quote_ident(e.extname) as object, f.fact, f.value
from pg_extension e
join pg_namespace n on n.oid = e.extnamespace
cross join lateral (
    values
        ('schema', n.nspname::text),
        ('version', e.extversion),
        ('comment', obj_description(e.oid, 'pg_extension'))
) as f(fact, value)
where $1::text[] is not null
union all
select 'event trigger ' || quote_ident(t.evtname), 'state', t.evtenabled::text
from pg_event_trigger t
