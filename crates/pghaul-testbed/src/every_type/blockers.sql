-- Not in the default set: what the newest server refuses, or takes only as something else, so that
-- it must be found before anything is written.

-- @object schema
-- The schema of this family.
create schema blockers;

-- @object time_types until 11
-- Columns of abstime, reltime and tinterval, gone with 12.
create table blockers.time_types (id integer primary key, a abstime, r reltime, t tinterval);
insert into blockers.time_types values (1, '2000-01-01 00:00:00+00', '1 day', '["2000-01-01 00:00:00+00" "2000-01-02 00:00:00+00"]');

-- @object unknown_column until 9.6
-- A column of type unknown.
create table blockers.unknown_column as select 'x' as v, 1 as id;

-- @object postfix_operator until 13
-- A postfix operator.
create function blockers.factorial(integer) returns integer language sql immutable as 'select $1';
create operator blockers.!# (procedure = blockers.factorial, leftarg = integer);

-- @object polymorphic_aggregate until 13
-- An aggregate on array_append(anyarray, anyelement), whose signature changed with 14.
create aggregate blockers.gathered(anyelement) (sfunc = array_append, stype = anyarray, initcond = '{}');

-- @object unlogged_partitioned since 10 until 17
-- A partitioned table marked unlogged: 18 refuses the word, and pg_dump 18 leaves it out.
create unlogged table blockers.unlogged_partitioned (id integer) partition by list (id);
create table blockers.unlogged_partitioned_1 partition of blockers.unlogged_partitioned for values in (1);

-- @object not_null_not_inherited until 17
-- A child that lacks its parent's NOT NULL.
create table blockers.strict_parent (id integer not null);
create table blockers.lax_child () inherits (blockers.strict_parent);
alter table only blockers.lax_child alter column id drop not null;
insert into blockers.lax_child values (null);

-- @object removed_setting until 13
-- A function with a setting that newer servers do not know.
create function blockers.removed_setting() returns integer language sql set operator_precedence_warning = off as 'select 1';

-- @object orphan superuser
-- A foreign key that claims to hold but does not, since its triggers were switched off.
create table blockers.parents (id integer primary key);
create table blockers.orphans (id integer primary key, parent integer references blockers.parents);
alter table blockers.orphans disable trigger all;
insert into blockers.orphans values (1, 999);
alter table blockers.orphans enable trigger all;

-- @object index_name
-- A regclass column that names an index, which does not exist yet when rows are loaded.
create table blockers.names_an_index (id integer constraint blockers_key primary key, i regclass);
insert into blockers.names_an_index values (1, 'blockers.blockers_key');

-- @object overloaded_function
-- A regproc column that names one of two functions of the same name: its text is ambiguous.
create function blockers.twice(integer) returns integer language sql as 'select 1';
create function blockers.twice(text) returns integer language sql as 'select 1';
create table blockers.ambiguous (id integer primary key, f regproc);
insert into blockers.ambiguous values (1, 'blockers.twice(integer)'::regprocedure);

-- @object table_access_method since 12 superuser
-- A table under an access method of its own: the target must have its library.
create access method pghaul_other_heap type table handler heap_tableam_handler;
create table blockers.other_heap (id integer primary key) using pghaul_other_heap;
insert into blockers.other_heap values (1), (2);

-- @object catalog_rows
-- A column of a system catalog's row type, which may have other columns on another major.
create table blockers.catalog_rows (id integer primary key, r pg_catalog.pg_am);

-- @object catalog_domain until 11
-- A column of information_schema.sql_identifier, which is another type from 12 on.
create table blockers.catalog_domain (id integer primary key, i information_schema.sql_identifier);
insert into blockers.catalog_domain values (1, 'x');
