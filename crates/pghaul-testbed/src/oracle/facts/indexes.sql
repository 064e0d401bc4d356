-- Validity and marks of indexes. $1: schemas left out.
select 'index ' || format('%I.%I', n.nspname, c.relname) as object, f.fact, f.value
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    values
        ('table', i.indrelid::regclass::text),
        ('valid', i.indisvalid::text),
        ('ready', i.indisready::text),
        ('live', i.indislive::text),
        ('unique', i.indisunique::text || ' ' || coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false')),
        ('primary', i.indisprimary::text),
        ('exclusion', i.indisexclusion::text),
        ('immediate', i.indimmediate::text),
        ('clustered', i.indisclustered::text),
        ('replica identity', i.indisreplident::text),
        ('definition', pg_get_indexdef(i.indexrelid))
) as f(fact, value)
where n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
  and not exists (
      select
      from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = i.indrelid and d.deptype = 'e'
  )
