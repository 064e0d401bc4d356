-- Whether old snapshots are cut off (9.6 to 16). Columns: none, minutes.
select null, setting
from pg_settings
where name = 'old_snapshot_threshold'
  and setting <> '-1'
