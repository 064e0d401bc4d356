-- Traces of a managed service: its roles, or its prefixes of settings. Columns: none, traces.
select null, string_agg(distinct trace, ', ' order by trace)
from (
    select 'role ' || rolname as trace
    from pg_roles
    where rolname in (
        'rdsadmin', 'rds_superuser', 'cloudsqladmin', 'cloudsqlsuperuser', 'azure_pg_admin', 'azuresu',
        'neon_superuser', 'cloud_admin', 'supabase_admin', 'alloydbsuperuser', 'doadmin', 'avnadmin',
        'heroku_admin', '_heroku_admin', 'crunchy_superuser')
    union all
    select 'settings ' || split_part(name, '.', 1) || '.*'
    from pg_settings
    where split_part(name, '.', 1) in ('rds', 'cloudsql', 'azure', 'neon', 'alloydb', 'aurora', 'supautils')
) as traces
having count(*) > 0
