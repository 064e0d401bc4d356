-- Large objects: owner, privileges, comment. $1 is not used, every query is given it.
select 'large object ' || l.oid as object, f.fact, f.value
from pg_largeobject_metadata l
cross join lateral (
    values
        ('owner', pg_get_userbyid(l.lomowner)::text),
        (
            'privileges',
            (
                select string_agg(
                           case e.grantee when 0 then 'public' else pg_get_userbyid(e.grantee)::text end || '=' || e.privilege_type
                               || case when e.is_grantable then '*' else '' end || '/' || pg_get_userbyid(e.grantor),
                           '; ' order by e.grantee = 0, pg_get_userbyid(e.grantee), e.privilege_type
                       )
                from aclexplode(coalesce(l.lomacl, acldefault('L', l.lomowner))) as e
            )
        ),
        ('comment', obj_description(l.oid, 'pg_largeobject'))
) as f(fact, value)
where $1::text[] is not null
