-- Whether another database speaks Postgres' protocol. Columns: none, what it says.
select null, split_part(version(), ' on ', 1) where version() !~ '^(PostgreSQL|EnterpriseDB)'
