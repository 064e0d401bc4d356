-- Whether this session goes over a network without TLS. Columns: none.
select null
from pg_stat_ssl
where pid = pg_backend_pid()
  and not ssl
  and inet_client_addr() is not null
  and not inet_client_addr() <<= '127.0.0.0/8'::inet
  and not inet_client_addr() <<= '::1/128'::inet
