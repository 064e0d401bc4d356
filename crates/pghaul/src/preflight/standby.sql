-- Whether the server is a standby, how long its queries may hold up replay, and whether the primary knows of them. Columns: none, delay, feedback.
select null
     , current_setting('max_standby_streaming_delay')
     , current_setting('hot_standby_feedback')
where pg_is_in_recovery()
