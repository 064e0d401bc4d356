select case
    when not pg_catalog.pg_is_in_recovery()
    then pg_catalog.substr(pg_catalog.pg_xlogfile_name(pg_catalog.pg_current_xlog_location()), 1, 8)
end
