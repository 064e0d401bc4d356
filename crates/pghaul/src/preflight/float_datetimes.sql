-- Dates and times kept as floating point, a choice when building 9.6. Columns: none.
select null where current_setting('integer_datetimes') = 'off'
