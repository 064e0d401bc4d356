-- One row a grant of a large object, or one row without a grant: owner, privileges, comment.
select m.oid::int8
     , pg_catalog.pg_get_userbyid(m.lomowner)::text as owner
     , m.lomacl is null as default_privileges
     , case when a.grantee <> 0 then pg_catalog.pg_get_userbyid(a.grantee)::text end as grantee
     , a.privilege_type::text
     , coalesce(a.is_grantable, false)
     , pg_catalog.obj_description(m.oid, 'pg_largeobject') as comment
  from pg_catalog.pg_largeobject_metadata m
  left join lateral pg_catalog.aclexplode(m.lomacl) a on true
 order by m.oid, a.grantee, a.privilege_type
