-- The extensions that can be created here, their default and installed version (9.6 to 12: only superusers create most of them). Columns: name, default version, installed version, whether a role without superuser may create it.
select a.name, a.default_version, a.installed_version
     , not coalesce(bool_or(v.superuser) filter (where v.version = a.default_version), true)
from pg_available_extensions as a
left join pg_available_extension_versions as v on v.name = a.name
group by 1, 2, 3
