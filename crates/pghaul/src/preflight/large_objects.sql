-- Large objects, and how many of them this role may not read (before 18 there is no function to ask). Columns: none, count, owners, unreadable.
select null
     , count(*)
     , count(distinct l.lomowner)
     , count(*) filter (where not (
           (select rolsuper from pg_roles where rolname = current_user)
           or pg_has_role(l.lomowner, 'usage')
           or exists (
               select from aclexplode(l.lomacl) as acl
               where acl.privilege_type = 'SELECT'
                 and case when acl.grantee = 0 then true else pg_has_role(acl.grantee, 'usage') end)))
from pg_largeobject_metadata as l
having count(*) > 0
