-- The settings that a server has, and whether this role may set each. Columns: name, may set.
select name
     , context = 'user'
       or context = 'superuser' and (select rolsuper from pg_roles where rolname = current_user)
from pg_settings
