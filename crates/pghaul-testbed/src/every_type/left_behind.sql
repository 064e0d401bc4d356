-- Not in the default set: what no dump carries, so that a copy must say that it stays behind.

-- @object schema
-- The schema of this family.
create schema left_behind;

-- @object invalid_index superuser
-- An index that a failed CREATE INDEX CONCURRENTLY left invalid.
create table left_behind.half_indexed (id integer primary key, v text);
insert into left_behind.half_indexed values (1, 'x'), (2, 'x');
create index half_built on left_behind.half_indexed (v);
update pg_catalog.pg_index set indisvalid = false where indexrelid = 'left_behind.half_built'::regclass;

-- @object disabled_foreign_key superuser
-- A foreign key whose triggers are switched off: the copy's are on.
create table left_behind.parents (id integer primary key);
create table left_behind.unwatched (id integer primary key, parent integer constraint not_watched references left_behind.parents);
alter table left_behind.unwatched disable trigger all;

-- @object oids until 11
-- A table WITH OIDS.
create table left_behind.with_oids (id integer primary key) with oids;
insert into left_behind.with_oids values (1), (2);

-- @object database_settings superuser
-- Settings, comment and grants of the database; the settings change the text of nearly every type.
do $do$
begin
    execute format('comment on database %I is %L', current_database(), 'the database''s comment');
    execute format('grant temporary, create on database %I to pghaul_reader', current_database());
    execute format('alter database %I set datestyle = ''SQL, DMY''', current_database());
    execute format('alter database %I set intervalstyle = ''sql_standard''', current_database());
    execute format('alter database %I set timezone = ''Europe/Amsterdam''', current_database());
    execute format('alter database %I set bytea_output = ''escape''', current_database());
    execute format('alter database %I set extra_float_digits = -5', current_database());
    execute format('alter database %I set quote_all_identifiers = on', current_database());
    execute format('alter database %I set xmlbinary = ''hex''', current_database());
    execute format('alter database %I set search_path = ''names'', ''pg_catalog''', current_database());
    execute format('alter database %I set standard_conforming_strings = off', current_database());
    execute format('alter database %I set default_transaction_isolation = ''serializable''', current_database());
    execute format('alter database %I set row_security = off', current_database());
    execute format('alter database %I set enable_seqscan = off', current_database());
    execute format('alter database %I set statement_timeout = ''55s''', current_database());
    execute format('alter role pghaul_reader in database %I set work_mem = ''1MB''', current_database());
end
$do$;
