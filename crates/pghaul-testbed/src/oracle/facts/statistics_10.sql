-- Extended statistics. $1: schemas left out.
select 'statistics ' || format('%I.%I', n.nspname, s.stxname) as object, f.fact, f.value
from pg_statistic_ext s
join pg_namespace n on n.oid = s.stxnamespace
cross join lateral (
    values
        ('definition', pg_get_statisticsobjdef(s.oid)),
        ('target', coalesce(nullif(to_jsonb(s) ->> 'stxstattarget', '-1'), 'default'))
) as f(fact, value)
where n.nspname <> all ($1)
