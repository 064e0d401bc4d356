-- Partitioned tables of every kind.

-- @object schema since 10
-- The schema of this family.
create schema partitions;
grant usage, create on schema partitions to pghaul_owner;

-- @object list since 10
-- By list, NULL in a partition, one partition with its columns in another order.
create table partitions.by_list (id integer, region text, v text) partition by list (region);
create table partitions.by_list_ab partition of partitions.by_list for values in ('a', 'b');
create table partitions.by_list_null partition of partitions.by_list for values in (null, E'it''s "c" \\');
create table partitions.by_list_joined (gone integer, v text, region text, id integer);
alter table partitions.by_list_joined drop column gone;
alter table partitions.by_list attach partition partitions.by_list_joined for values in ('d');
insert into partitions.by_list values (1, 'a', 'x'), (2, 'b', null), (3, null, 'null'), (4, E'it''s "c" \\', 'c'), (5, 'd', 'joined'), (5, 'd', 'joined');
comment on table partitions.by_list is 'by list';
alter table partitions.by_list owner to pghaul_owner;

-- @object range since 10
-- By range over two columns, with MINVALUE and MAXVALUE, over three levels, one level by an expression.
create table partitions.by_range (id integer, at timestamptz, region text, v numeric) partition by range (at, id);
create table partitions.by_range_old partition of partitions.by_range for values from (minvalue, minvalue) to ('2000-01-01 00:00:00+00', 0);
create table partitions.by_range_new partition of partitions.by_range for values from ('2000-01-01 00:00:00+00', 0) to (maxvalue, maxvalue) partition by list (region);
create table partitions.by_range_new_a partition of partitions.by_range_new for values in ('a');
create table partitions.by_range_new_b partition of partitions.by_range_new for values in ('b') partition by range ((id % 10));
create table partitions.by_range_new_b_low partition of partitions.by_range_new_b for values from (0) to (5);
create table partitions.by_range_new_b_high partition of partitions.by_range_new_b for values from (5) to (maxvalue);
insert into partitions.by_range
select i, '1999-12-31 12:00:00+00'::timestamptz + i * interval '1 hour', case i % 2 when 0 then 'a' else 'b' end, i * 1.10 from generate_series(1, 100) as i;

-- @object range_of_text since 10
-- By range of text under the database's collation: another server may sort otherwise.
create table partitions.by_text (k text, v integer) partition by range (k);
create table partitions.by_text_low partition of partitions.by_text for values from (minvalue) to ('m');
create table partitions.by_text_high partition of partitions.by_text for values from ('m') to (maxvalue);
insert into partitions.by_text values ('a', 1), ('Z', 2), ('m', 3), ('ä', 4), ('_', 5), ('é', 6), ('', 7);

-- @object empty_root since 10
-- A root without any partition.
create table partitions.no_partition (id integer) partition by list (id);

-- @object defaults since 10
-- Defaults, NOT NULL, checks and triggers of leaves that differ from the root's.
create table partitions.local_rules (id integer, v text default 'root', n integer) partition by range (id);
create table partitions.local_rules_1 partition of partitions.local_rules (v default 'leaf', n not null, constraint leaf_check check (n < 100)) for values from (0) to (10) with (fillfactor = 80);
create table partitions.local_rules_2 partition of partitions.local_rules for values from (10) to (20);
create index local_rules_only_here on partitions.local_rules_2 (n);
insert into partitions.local_rules values (1, 'x', 1), (12, null, null);
insert into partitions.local_rules_1 values (2, default, 3);

-- @object default_partition since 11
-- A default partition with rows.
create table partitions.with_default (id integer, v text) partition by list (id);
create table partitions.with_default_1 partition of partitions.with_default for values in (1);
create table partitions.with_default_rest partition of partitions.with_default default;
insert into partitions.with_default values (1, 'one'), (2, 'rest'), (null, 'null');

-- @object hash since 11
-- By hash of an integer and a text.
create table partitions.by_hash (id bigint, k text, v text) partition by hash (id, k);
create table partitions.by_hash_0 partition of partitions.by_hash for values with (modulus 4, remainder 0);
create table partitions.by_hash_2 partition of partitions.by_hash for values with (modulus 4, remainder 2);
create table partitions.by_hash_odd partition of partitions.by_hash for values with (modulus 2, remainder 1);
insert into partitions.by_hash select i, md5(i::text), 'row ' || i from generate_series(1, 100) as i;

-- @object hash_of_enum since 11
-- By hash of an enum: the hash is over the label's OID, so rows land in other leaves on another server.
create type partitions.colour as enum ('red', 'green', 'blue', 'yellow', 'black', 'white');
create table partitions.by_enum (c partitions.colour, v integer) partition by hash (c);
create table partitions.by_enum_0 partition of partitions.by_enum for values with (modulus 3, remainder 0);
create table partitions.by_enum_1 partition of partitions.by_enum for values with (modulus 3, remainder 1);
create table partitions.by_enum_2 partition of partitions.by_enum for values with (modulus 3, remainder 2);
insert into partitions.by_enum select c, i from unnest(enum_range(null::partitions.colour)) as c, generate_series(1, 5) as i;

-- @object hash_below_list since 11
-- Hash of an enum one level below a list: the upper leaves are the same everywhere, the lower are not.
create table partitions.mixed (kind integer, c partitions.colour, v integer) partition by list (kind);
create table partitions.mixed_1 partition of partitions.mixed for values in (1);
create table partitions.mixed_2 partition of partitions.mixed for values in (2) partition by hash (c);
create table partitions.mixed_2_0 partition of partitions.mixed_2 for values with (modulus 2, remainder 0);
create table partitions.mixed_2_1 partition of partitions.mixed_2 for values with (modulus 2, remainder 1);
insert into partitions.mixed select i % 2 + 1, c, i from unnest(enum_range(null::partitions.colour)) as c, generate_series(1, 6) as i;

-- @object indexes since 11
-- Indexes and keys of the whole tree over three levels, some built on the leaves first and attached.
create table partitions.indexed (id integer not null, region integer not null, v text, primary key (id, region)) partition by range (region);
create table partitions.indexed_1 partition of partitions.indexed for values from (0) to (10) partition by list (region);
create table partitions.indexed_1_a partition of partitions.indexed_1 for values in (1, 2);
create table partitions.indexed_1_b partition of partitions.indexed_1 for values in (3);
create table partitions.indexed_2 (v text, region integer not null, id integer not null);
create index indexed_2_v_first on partitions.indexed_2 (v);
alter table partitions.indexed_2 add constraint indexed_2_own_key primary key (id, region);
alter table partitions.indexed attach partition partitions.indexed_2 for values from (10) to (20);
create index indexed_v on partitions.indexed (v);
create unique index indexed_unique on partitions.indexed (region, id desc) where id > 0;
create index "indexed ""only""" on only partitions.indexed (lower(v));
comment on index partitions.indexed_v is 'an index of the whole tree';
insert into partitions.indexed values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 12, 'd');

-- @object keys since 12
-- Foreign keys from and to partitioned tables.
create table partitions.referring (id integer primary key, ref integer, region integer) partition by range (id);
create table partitions.referring_1 partition of partitions.referring for values from (0) to (10);
create table partitions.referring_2 partition of partitions.referring for values from (10) to (20);
alter table partitions.referring add constraint to_the_tree foreign key (ref, region) references partitions.indexed (id, region) on delete cascade;
create table partitions.referring_plain (ref integer, region integer, foreign key (ref, region) references partitions.indexed deferrable initially deferred);
insert into partitions.referring values (1, 1, 1), (11, 4, 12), (12, null, null);
insert into partitions.referring_plain values (2, 2), (null, 1);

-- @object after_trigger since 11
-- An AFTER trigger of the whole tree.
create function partitions.nothing() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger after_insert_of_the_tree after insert on partitions.indexed for each row execute procedure partitions.nothing();

-- @object triggers since 13
-- Row triggers of the whole tree; one switched off on a leaf.
create function partitions.keep() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger of_the_tree before insert on partitions.indexed for each row execute procedure partitions.keep();
create trigger after_of_the_tree after update on partitions.indexed for each row execute procedure partitions.keep();
alter table partitions.indexed_2 disable trigger after_of_the_tree;

-- @object generated since 12
-- A stored generated column in a partitioned table.
create table partitions.generated (id integer, v text, loud text generated always as (upper(v)) stored) partition by list (id);
create table partitions.generated_1 partition of partitions.generated for values in (1, 2);
insert into partitions.generated (id, v) values (1, 'a'), (2, null);

-- @object identity since 17
-- An identity column of a partitioned table.
create table partitions.identity (id bigint generated by default as identity (start with 50), v text) partition by range (id);
create table partitions.identity_1 partition of partitions.identity for values from (0) to (100);
insert into partitions.identity (v) values ('a'), ('b');

-- @object unlogged_leaf since 10
-- One leaf unlogged.
create table partitions.partly_unlogged (id integer) partition by list (id);
create table partitions.partly_unlogged_1 partition of partitions.partly_unlogged for values in (1);
create unlogged table partitions.partly_unlogged_2 partition of partitions.partly_unlogged for values in (2);
insert into partitions.partly_unlogged values (1), (2), (2);
