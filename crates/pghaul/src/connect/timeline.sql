select case
    when not pg_catalog.pg_is_in_recovery()
    then pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)
end
