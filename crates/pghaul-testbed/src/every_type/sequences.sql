-- Sequences: what a schema-only dump does not show is where they stand.

-- @object schema
-- The schema of this family.
create schema sequences;
grant usage, create on schema sequences to pghaul_owner;

-- @object sequences
-- Never called, called, negative steps, cycles, at their end, owned by a column, with an evil name.
create sequence sequences.never_called start with 42;
create sequence sequences.called;
select nextval('sequences.called'), nextval('sequences.called');
create sequence sequences.set_not_called;
select setval('sequences.set_not_called', 77, false);
create sequence sequences.downward increment by -3 maxvalue 100 minvalue -100 start with 10 cache 20 cycle;
select nextval('sequences.downward');
create sequence sequences.at_the_end maxvalue 9223372036854775807 start with 9223372036854775807;
select nextval('sequences.at_the_end');
create sequence sequences.at_the_least increment by -1 minvalue -9223372036854775808 maxvalue -1;
select setval('sequences.at_the_least', -9223372036854775808);
create table sequences.owning (id integer primary key, other integer);
create sequence sequences.owned owned by sequences.owning.other;
create sequence sequences."evil ""sequence""
\! touch /tmp/pghaul_was_here; %s" start with 7;
comment on sequence sequences.called is 'called twice';
alter sequence sequences.called owner to pghaul_owner;
alter sequence sequences.owned minvalue 0 restart with 0;

-- @object types since 10
-- Sequences of all three types, at the ends.
create sequence sequences.small as smallint maxvalue 32767 start with 32767;
select nextval('sequences.small');
create sequence sequences.whole as integer increment by -1 start with -1 minvalue -2147483648;
select setval('sequences.whole', -2147483648);
create sequence sequences.big as bigint no cycle cache 5;

-- @object unlogged since 15
-- An unlogged sequence.
create unlogged sequence sequences.unlogged;
select setval('sequences.unlogged', 1000);
