-- Whether nobody counts writes. Columns: none.
select null where current_setting('track_counts') = 'off'
