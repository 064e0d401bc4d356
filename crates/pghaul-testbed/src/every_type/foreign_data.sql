-- Foreign data: wrappers, servers, user mappings with passwords, foreign tables.

-- @object schema
-- The schema of this family.
create schema foreign_data;

-- @object wrapper superuser
-- A wrapper without handler, a server with options, user mappings with passwords, a foreign table that cannot be read.
create foreign data wrapper pghaul_wrapper options (debug 'true', "evil ""option""" 'it''s \');
create server pghaul_server type 'kind' version '1.0' foreign data wrapper pghaul_wrapper options (host 'nowhere.invalid', "p w" 'a;b');
create user mapping for public server pghaul_server options (user 'someone', password 'plain secret ''quoted'' \');
create user mapping for pghaul_reader server pghaul_server options (password 'reader''s secret');
create foreign table foreign_data.unreadable (
    id integer options (column_name 'ID') not null, v text collate "C" default 'x', constraint positive check (id > 0)
) server pghaul_server options (schema_name 'remote', table_name 'evil "table"');
alter foreign table foreign_data.unreadable alter column v set statistics 44;
comment on foreign data wrapper pghaul_wrapper is 'a wrapper';
comment on server pghaul_server is 'a server';
comment on foreign table foreign_data.unreadable is 'a foreign table';
comment on column foreign_data.unreadable.v is 'a foreign column';
alter server pghaul_server owner to pghaul_admin;
grant usage on foreign data wrapper pghaul_wrapper to pghaul_writer;
grant usage on foreign server pghaul_server to pghaul_reader with grant option;
grant select on foreign_data.unreadable to pghaul_reader;

-- @object postgres_fdw superuser
-- postgres_fdw with a server that nobody answers.
create extension postgres_fdw with schema foreign_data;
create server pghaul_elsewhere foreign data wrapper postgres_fdw options (host '192.0.2.1', port '1', dbname 'x', fetch_size '10');
create user mapping for pghaul_writer server pghaul_elsewhere options (user 'x', password 'another secret');
create foreign table foreign_data.elsewhere (id bigint, v text) server pghaul_elsewhere options (table_name 'y');

-- @object foreign_partition since 10 superuser
-- A foreign table as a partition beside a local one.
create table foreign_data.partly_foreign (id integer, v text) partition by list (id);
create table foreign_data.partly_foreign_here partition of foreign_data.partly_foreign for values in (1);
create foreign table foreign_data.partly_foreign_there partition of foreign_data.partly_foreign for values in (2) server pghaul_server;
insert into foreign_data.partly_foreign_here values (1, 'here'), (1, 'here');
