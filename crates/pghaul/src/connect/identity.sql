select
    pg_catalog.current_setting('server_version_num'),
    pg_catalog.pg_backend_pid(),
    base.oid,
    pg_catalog.pg_is_in_recovery(),
    pg_catalog.inet_client_port(),
    pg_catalog.current_setting('port')
from pg_catalog.pg_database as base
where base.datname operator(pg_catalog.=) pg_catalog.current_database()
