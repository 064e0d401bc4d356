-- The roles of the target, and whether this role may make each the owner of something (9.6 to 15). Columns: role, givable.
select r.rolname, pg_has_role(r.oid, 'member') from pg_roles as r
