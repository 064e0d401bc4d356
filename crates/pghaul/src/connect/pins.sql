select pg_catalog.count(pg_catalog.set_config(setting.name, pin.value, false))
from (values
    {}
) as pin (name, value)
join pg_catalog.pg_settings as setting on pg_catalog.lower(setting.name) = pg_catalog.lower(pin.name)
where setting.context = 'user'
   or (setting.context = 'superuser'
       and (select role.rolsuper from pg_catalog.pg_roles as role where role.rolname = current_user))
