-- Triggers, rules and policies: states and definitions. Triggers that partitions have from their
-- root are left to a query of their own. $1: schemas left out.
select w.kind || ' ' || quote_ident(w.name) || ' on ' || format('%I.%I', n.nspname, c.relname) as object,
       f.fact,
       f.value
from (
    select 'trigger' as kind, t.tgname::text as name, t.tgrelid as relation, t.tgenabled::text as state, pg_get_triggerdef(t.oid) as definition
    from pg_trigger t
    where not t.tgisinternal
      and not exists (
          select
          from pg_depend d
          where d.classid = 'pg_trigger'::regclass and d.objid = t.oid and d.refclassid = 'pg_trigger'::regclass
      )
    union all
    select 'rule', r.rulename::text, r.ev_class, r.ev_enabled::text, null
    from pg_rewrite r
    where r.rulename <> '_RETURN'
    union all
    select 'policy', p.polname::text, p.polrelid, p.polcmd::text,
           concat_ws(
               ' ',
               coalesce(to_jsonb(p) ->> 'polpermissive', 'true'),
               (select string_agg(case u.r when 0 then 'public' else pg_get_userbyid(u.r)::text end, ', ' order by u.r = 0, pg_get_userbyid(u.r)) from unnest(p.polroles) as u(r)),
               'using', pg_get_expr(p.polqual, p.polrelid),
               'check', pg_get_expr(p.polwithcheck, p.polrelid)
           )
    from pg_policy p
) as w
join pg_class c on c.oid = w.relation
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (values ('state', w.state), ('definition', w.definition)) as f(fact, value)
where n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and n.nspname <> all ($1)
  and not exists (
      select
      from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
