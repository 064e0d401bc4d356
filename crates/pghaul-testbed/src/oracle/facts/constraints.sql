-- Constraints of tables and domains. Those of NOT NULL are rows of their own from 18 on only, and
-- are left to the fact of the column; so are clones of foreign keys in partition trees, whose names
-- are made anew. $1: schemas left out.
select 'constraint ' || quote_ident(o.conname) || ' on '
           || coalesce(nullif(o.conrelid, 0)::regclass::text, o.contypid::regtype::text) as object,
       f.fact,
       f.value
from pg_constraint o
join pg_namespace n on n.oid = o.connamespace
left join pg_class c on c.oid = o.conrelid
cross join lateral (
    values
        ('validated', o.convalidated::text),
        ('enforced', coalesce(to_jsonb(o) ->> 'conenforced', 'true')),
        ('deferrable', o.condeferrable::text || ' ' || o.condeferred),
        ('local', o.conislocal::text || ' ' || o.coninhcount),
        ('no inherit', case when o.contype = 'c' then o.connoinherit::text end),
        ('definition', pg_get_constraintdef(o.oid)),
        (
            'triggers',
            case when o.contype = 'f' and c.relkind <> 'p' then (
                select string_agg(distinct t.tgenabled::text, ' ' order by t.tgenabled::text)
                from pg_trigger t
                where t.tgconstraint = o.oid
            ) end
        )
) as f(fact, value)
where o.contype <> 'n'
  and coalesce((to_jsonb(o) ->> 'conparentid')::oid, 0) = 0
  and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
  and not exists (
      select
      from pg_depend d
      where d.deptype = 'e'
        and (
            d.classid = 'pg_class'::regclass and d.objid = o.conrelid
            or d.classid = 'pg_type'::regclass and d.objid = o.contypid
        )
  )
