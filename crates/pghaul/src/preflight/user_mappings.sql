-- User mappings whose options, passwords among them, this role may not see. Columns: object, server.
select quote_ident(coalesce(usename, 'public')), srvname
from pg_user_mappings
where umoptions is null
  and not (select rolsuper from pg_roles where rolname = current_user)
order by 1, 2
