-- Owners of what came with 10. $1: schemas left out.
select w.kind || ' ' || w.name as object, 'owner' as fact, pg_get_userbyid(w.owner)::text as value
from (
    select 'publication' as kind, quote_ident(pubname) as name, pubowner as owner, null::text as schema from pg_publication
    union all
    select 'subscription', quote_ident(s.subname), s.subowner, null
    from pg_subscription s join pg_database d on d.oid = s.subdbid and d.datname = current_database()
    union all
    select 'statistics', format('%I.%I', n.nspname, s.stxname), s.stxowner, n.nspname
    from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
) as w
where w.schema is null or w.schema <> all ($1)
