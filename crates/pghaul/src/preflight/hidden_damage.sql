-- Settings that make damaged pages read as empty and that this role may not change. Columns: object.
select name
from pg_settings
where name in ('zero_damaged_pages', 'ignore_checksum_failure')
  and setting = 'on'
