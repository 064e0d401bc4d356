-- Default privileges: of whom, where, on what. $1: schemas left out.
select 'default privileges of ' || pg_get_userbyid(a.defaclrole) || ' in ' || coalesce(quote_ident(n.nspname), 'every schema')
           || ' on ' || a.defaclobjtype::text as object,
       'privileges' as fact,
       (
           select string_agg(
                      case e.grantee when 0 then 'public' else pg_get_userbyid(e.grantee)::text end || '=' || e.privilege_type
                          || case when e.is_grantable then '*' else '' end || '/' || pg_get_userbyid(e.grantor),
                      '; ' order by e.grantee = 0, pg_get_userbyid(e.grantee), e.privilege_type
                  )
           from aclexplode(a.defaclacl) as e
       ) as value
from pg_default_acl a
left join pg_namespace n on n.oid = a.defaclnamespace
where coalesce(n.nspname <> all ($1), true)
