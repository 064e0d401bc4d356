-- Constraints: keys of all kinds, foreign keys, checks, exclusions, and those that hold only from now on.

-- @object schema
-- The schema of this family.
create schema constraints;

-- @object foreign_keys
-- Foreign keys: all actions, MATCH FULL, deferrable, to itself, in a circle, to a unique index without constraint.
create table constraints.parents (id integer primary key, code text, a integer, b integer, unique (a, b));
create unique index parents_code on constraints.parents (code);
create table constraints.children (
    id integer primary key,
    cascade_ integer references constraints.parents on delete cascade on update cascade,
    null_ integer constraint "sets ""null""" references constraints.parents on delete set null on update set null,
    default_ integer default 1 references constraints.parents on delete set default on update set default,
    restrict_ integer references constraints.parents on delete restrict on update restrict deferrable,
    code text references constraints.parents (code) deferrable initially deferred,
    a integer, b integer,
    self integer references constraints.children,
    foreign key (a, b) references constraints.parents (a, b) match full
);
insert into constraints.parents values (1, 'one', 1, 1), (2, null, null, 2), (3, 'three', 3, null);
insert into constraints.children values (1, 1, null, 1, 2, 'one', 1, 1, 2), (2, null, 3, 3, null, null, null, null, 1), (3, 1, 1, 1, 1, 'three', null, null, 3);
create table constraints.chicken (id integer primary key, egg integer);
create table constraints.egg (id integer primary key, chicken integer references constraints.chicken);
insert into constraints.chicken values (1, 2);
insert into constraints.egg values (2, 1);
alter table constraints.chicken add constraint chicken_egg foreign key (egg) references constraints.egg deferrable;
comment on constraint chicken_egg on constraints.chicken is 'which came first';

-- @object set_null_columns since 15
-- ON DELETE SET NULL for some of the columns.
create table constraints.partly_nulled (a integer, b integer, foreign key (a, b) references constraints.parents (a, b) on delete set null (b));

-- @object not_valid
-- NOT VALID checks and foreign keys, with rows that violate them.
create table constraints.not_valid (id integer primary key, parent integer, v integer, w integer);
insert into constraints.not_valid values (1, 999, -1, 0), (2, 1, 1, 1);
alter table constraints.not_valid add constraint orphan_stays foreign key (parent) references constraints.parents not valid;
alter table constraints.not_valid add constraint v_positive check (v > 0) not valid;
alter table constraints.not_valid add constraint w_validated check (w >= 0) not valid;
alter table constraints.not_valid validate constraint w_validated;
comment on constraint orphan_stays on constraints.not_valid is 'never validated';

-- @object checks
-- Checks: of one column and of the table, by a function, NO INHERIT, with evil text inside.
create function constraints.is_fine(text) returns boolean language sql immutable as $$ select $1 is distinct from 'bad' $$;
create table constraints.checks (
    id integer constraint id_check check (id > 0), v text, w integer,
    constraint "evil ""check""; --" check (v <> E'it''s \\ "bad"' and v !~ '%s'),
    constraint by_function check (constraints.is_fine(v)),
    constraint of_two check (id < w or w is null) no inherit
);
insert into constraints.checks values (1, 'x', 2), (2, null, null);
comment on constraint by_function on constraints.checks is 'by a function';

-- @object unique
-- Unique constraints: deferrable, deferred, with NULLs; a primary key that is deferrable; one made from an index.
create table constraints.unique_ (
    id integer primary key deferrable initially immediate, a integer unique deferrable initially deferred, b integer, c text,
    constraint "A ""unique"" Name" unique (b, c)
);
create unique index unique_from_index on constraints.unique_ (c, id);
alter table constraints.unique_ add constraint unique_from_index unique using index unique_from_index;
insert into constraints.unique_ values (1, null, null, 'x'), (2, null, null, 'x'), (3, 1, 1, null), (4, 2, 1, null);

-- @object nulls_not_distinct since 15
-- UNIQUE NULLS NOT DISTINCT, as constraint and as index.
create table constraints.nulls_not_distinct (a integer, b integer, unique nulls not distinct (a, b));
create unique index nulls_not_distinct_b on constraints.nulls_not_distinct (b) nulls not distinct;
insert into constraints.nulls_not_distinct values (1, null), (1, 2), (null, 3);

-- @object included since 11
-- Keys that include columns.
create table constraints.included (id integer, v text, w integer, primary key (id) include (v), unique (w) include (id, v));
insert into constraints.included values (1, 'x', 2), (2, null, null);

-- @object exclusion
-- Exclusion constraints by gist over ranges and boxes, with a condition, deferrable.
create table constraints.exclusion (
    id integer, during tstzrange, place box,
    constraint no_overlap exclude using gist (during with &&) where (id > 0) deferrable initially deferred,
    exclude using gist (place with &&)
);
insert into constraints.exclusion values
    (1, '[2000-01-01,2000-01-02)', '(1,1),(0,0)'), (2, '[2000-01-02,2000-01-03)', '(3,3),(2,2)'), (0, '[2000-01-01,2000-01-05)', null), (3, null, null);
create table constraints.exclusion_btree (a integer, exclude (a with =));
insert into constraints.exclusion_btree values (1), (2), (null), (null);

-- @object without_overlaps since 18
-- Temporal keys: WITHOUT OVERLAPS, and foreign keys by PERIOD.
create table constraints.temporal (
    id int4range, valid daterange, constraint temporal_key primary key (id, valid without overlaps), unique (valid, id without overlaps)
);
create table constraints.temporal_child (
    id int4range, valid daterange, parent int4range,
    foreign key (parent, period valid) references constraints.temporal (id, period valid)
);
insert into constraints.temporal values ('[1,2)', '[2000-01-01,2000-06-01)'), ('[1,2)', '[2000-06-01,2001-01-01)'), ('[2,3)', '[2000-01-01,)');
insert into constraints.temporal_child values ('[7,8)', '[2000-02-01,2000-08-01)', '[1,2)'), ('[8,9)', '[2000-02-01,2000-08-01)', null);

-- @object not_enforced since 18
-- NOT ENFORCED checks and foreign keys, with rows that violate them.
create table constraints.not_enforced (
    id integer primary key, v integer constraint v_ignored check (v > 0) not enforced,
    parent integer constraint parent_ignored references constraints.parents not enforced
);
insert into constraints.not_enforced values (1, -1, 999);

-- @object not_null_not_valid since 18
-- NOT NULL that is NOT VALID, with a NULL in it; named NOT NULL; NOT NULL that is not inherited.
create table constraints.not_nulls (
    id integer constraint "named ""not null""" not null, v text, w integer, u integer, constraint no_inherit not null w no inherit
);
insert into constraints.not_nulls values (1, null, 1, 1), (2, 'x', 2, 2);
alter table constraints.not_nulls add constraint v_later not null v not valid;
comment on constraint "named ""not null""" on constraints.not_nulls is 'a named NOT NULL';
create table constraints.not_nulls_child (x integer not null) inherits (constraints.not_nulls);

-- @object not_null_inherited
-- NOT NULL by primary key, by declaration, inherited, and given to the child alone.
create table constraints.nn_parent (a integer not null, b integer, c integer);
create table constraints.nn_child (d integer not null) inherits (constraints.nn_parent);
alter table only constraints.nn_child alter column b set not null;
create table constraints.nn_with_a_very_long_table_name_that_fills_the_limit_of_63_byt (
    a_column_whose_name_is_so_long_that_generated_names_are_cut integer not null
);
