-- The session's settings, so that equal values have equal text on every server. All names are
-- quoted, since which of them must be is a matter of each server's own keywords: the table `json`
-- is written "json" from 16 on.
select count(set_config(s.name, v.value, false))
from (
    values
        ('client_encoding', 'UTF8'),
        ('datestyle', 'ISO, YMD'),
        ('intervalstyle', 'postgres'),
        ('timezone', 'UTC'),
        ('bytea_output', 'hex'),
        ('extra_float_digits', '3'),
        ('lc_monetary', 'C'),
        ('lc_numeric', 'C'),
        ('lc_time', 'C'),
        ('xmloption', 'content'),
        ('xmlbinary', 'base64'),
        ('quote_all_identifiers', 'on'),
        ('standard_conforming_strings', 'on'),
        ('array_nulls', 'on'),
        ('search_path', ''),
        ('row_security', 'off'),
        ('statement_timeout', '0'),
        ('lock_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        ('transaction_timeout', '0'),
        ('jit', 'off'),
        ('max_parallel_workers_per_gather', '0'),
        ('enable_seqscan', 'on'),
        ('enable_indexscan', 'on'),
        ('enable_indexonlyscan', 'on'),
        ('enable_bitmapscan', 'on')
) as v(name, value)
join pg_catalog.pg_settings s on lower(s.name) = v.name
