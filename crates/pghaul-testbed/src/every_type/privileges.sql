-- Grants, default privileges and owners.

-- @object schema
-- The schema of this family.
create schema privileges;
grant usage, create on schema privileges to pghaul_owner with grant option;
grant usage, create on schema privileges to "pghaul ""evil"" \role
-- 🐘; drop";
grant usage on schema privileges to public;

-- @object tables
-- Grants on tables and columns: with grant option, through a second grantor, to PUBLIC, to an evil role, less than the owner's own.
create table privileges.granted (id integer primary key, secret text, "a ""b""" integer);
insert into privileges.granted values (1, 'x', 2);
alter table privileges.granted owner to pghaul_owner;
grant select, insert on privileges.granted to pghaul_reader with grant option;
grant all on privileges.granted to pghaul_writer;
grant select on privileges.granted to public;
grant references (id), update (id, "a ""b""") on privileges.granted to pghaul_admin with grant option;
grant select (secret), insert (id) on privileges.granted to public;
grant truncate, trigger on privileges.granted to "pghaul ""evil"" \role
-- 🐘; drop";
set role pghaul_reader;
grant select on privileges.granted to pghaul_admin;
reset role;
create table privileges.revoked_from_owner (id integer);
alter table privileges.revoked_from_owner owner to pghaul_owner;
revoke insert, truncate on privileges.revoked_from_owner from pghaul_owner;
create table privileges.nothing_left (id integer);
alter table privileges.nothing_left owner to pghaul_owner;
revoke all on privileges.nothing_left from pghaul_owner;
create table privileges.evil_owner (id serial primary key, v text);
insert into privileges.evil_owner (v) values ('x');
alter table privileges.evil_owner owner to "pghaul ""evil"" \role
-- 🐘; drop";

-- @object maintain since 17
-- MAINTAIN.
grant maintain on privileges.granted to pghaul_reader;

-- @object others
-- Grants on views, sequences, functions, types, domains, languages; what PUBLIC may no longer do.
create view privileges.seen as select granted.id from privileges.granted;
grant select on privileges.seen to pghaul_reader, public;
create sequence privileges.counted;
grant usage, select on sequence privileges.counted to pghaul_writer;
grant update on sequence privileges.counted to pghaul_admin with grant option;
create function privileges.called(integer, text) returns integer language sql as 'select 1';
revoke all on function privileges.called(integer, text) from public;
grant execute on function privileges.called(integer, text) to pghaul_reader;
create aggregate privileges.summed(text) (sfunc = pg_catalog.textcat, stype = text);
grant execute on function privileges.summed(text) to pghaul_writer with grant option;
create type privileges.used as (a integer);
revoke usage on type privileges.used from public;
grant usage on type privileges.used to pghaul_reader;
create domain privileges.used_domain as text;
grant usage on domain privileges.used_domain to pghaul_reader with grant option;
create materialized view privileges.seen_once as select 1 as one;
grant select (one) on privileges.seen_once to pghaul_reader;

-- @object procedures since 11
-- Grants on procedures.
create procedure privileges.run() language sql as 'select 1';
revoke execute on procedure privileges.run() from public;
grant execute on procedure privileges.run() to pghaul_writer;

-- @object defaults
-- Default privileges: of several roles, in a schema and everywhere, granted and revoked.
alter default privileges for role pghaul_owner grant select on tables to pghaul_reader;
alter default privileges for role pghaul_owner in schema privileges grant insert, update on tables to pghaul_writer with grant option;
alter default privileges for role pghaul_owner in schema privileges grant usage on sequences to pghaul_reader;
alter default privileges for role pghaul_writer revoke execute on functions from public;
alter default privileges for role pghaul_writer revoke usage on types from public;
alter default privileges for role "pghaul ""evil"" \role
-- 🐘; drop" in schema privileges grant select on tables to public;

-- @object default_schemas since 10
-- Default privileges on schemas.
alter default privileges for role pghaul_owner grant usage on schemas to pghaul_reader;

-- @object default_large_objects since 18
-- Default privileges on large objects.
alter default privileges for role pghaul_owner grant select on large objects to pghaul_reader;

-- @object builtin_functions superuser
-- Grants on objects of the system catalog.
grant execute on function pg_catalog.pg_ls_dir(text) to pghaul_reader;
grant select (rolname) on pg_catalog.pg_authid to pghaul_reader;
