-- Whether everybody may create in schema public; 15 and newer no longer grant that. Columns: none.
select null
from pg_namespace as n
where n.nspname = 'public'
  and exists (
      select from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as acl
      where acl.grantee = 0 and acl.privilege_type = 'CREATE')
