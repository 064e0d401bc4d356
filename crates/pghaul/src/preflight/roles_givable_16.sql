-- The roles of the target, and whether this role may make each the owner of something (16 and newer: by the SET option of the membership). Columns: role, givable.
select r.rolname, pg_has_role(r.oid, 'set') from pg_roles as r
