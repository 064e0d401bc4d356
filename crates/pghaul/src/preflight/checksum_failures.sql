-- Pages whose checksum did not match since the statistics began (12 and newer). Columns: none, count, time.
select null, checksum_failures, coalesce(checksum_last_failure::text, 'an unknown time')
from pg_stat_database
where checksum_failures > 0
  and (datname = current_database() or datid = 0)
