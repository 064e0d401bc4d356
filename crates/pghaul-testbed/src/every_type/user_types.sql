-- Types that users make: domains, enums, composites, ranges, multiranges, and arrays of all of them.

-- @object schema
-- The schema of this family.
create schema kinds;
grant usage, create on schema kinds to pghaul_owner;

-- @object domains
-- Domains with checks, defaults and NOT NULL, over domains, over arrays, over ranges.
create domain kinds.positive as integer default 1 constraint positive_check check (value > 0);
create domain kinds.small_positive as kinds.positive constraint "smaller than 100" check (value < 100) not null;
create domain kinds.code as varchar(8) collate "C" check (value ~ E'^[A-Z\\\\]*$');
create domain kinds.grid as integer[] check (array_length(value, 1) is distinct from 0);
create domain kinds.span as int4range;
create domain kinds.ratio as double precision;
comment on domain kinds.positive is 'greater than zero';
comment on constraint positive_check on domain kinds.positive is 'the check of a domain';
alter domain kinds.positive owner to pghaul_owner;
grant usage on domain kinds.positive to pghaul_reader;
create table kinds.domains (
    id kinds.positive primary key, small kinds.small_positive, code kinds.code, grid kinds.grid, span kinds.span, ratio kinds.ratio
);
insert into kinds.domains values
    (1, 99, E'AB\\C', '{{1,2},{3,4}}', '[1,9)', 0.1),
    (2, 1, '', '{}', 'empty', 'NaN'),
    (3, 50, null, null, null, null);

-- @object domain_not_valid
-- A domain whose check was added NOT VALID while a value violates it.
create domain kinds.late_check as text;
create table kinds.late_checks (id integer primary key, v kinds.late_check);
insert into kinds.late_checks values (1, 'fine'), (2, null);
alter domain kinds.late_check add constraint never_validated check (value <> 'later') not valid;

-- @object domain_arrays since 11
-- Arrays of domains, a domain over a composite.
create type kinds.corner as (x integer, y integer);
create domain kinds.right_corner as kinds.corner check ((value).x >= 0);
create table kinds.domain_arrays (id integer primary key, many kinds.positive[], corner kinds.right_corner, corners kinds.right_corner[]);
insert into kinds.domain_arrays values
    (1, '{1,NULL,3}', '(1,2)', '{"(0,-1)",NULL}'), (2, '[0:0]={5}', '(0,)', '{}'), (3, null, null, null);

-- @object enums
-- Enums with evil labels, and one without any label.
create type kinds.mood as enum ('sad', 'ok', 'it''s "quoted"', E'back\\slash', 'with, comma', '🐘', '', E'new\nline',
    '63 bytes: 0123456789012345678901234567890123456789012345678901x');
create type kinds.no_label as enum ();
comment on type kinds.mood is 'evil labels';
alter type kinds.mood owner to pghaul_owner;

-- @object enum_order_before
-- A label put before another afterwards: its sort order is no whole number.
alter type kinds.mood add value 'barely ok' before 'ok';

-- @object enum_order_after
-- A label put after another afterwards.
alter type kinds.mood add value 'very sad' after 'sad';

-- @object enum_values
-- Columns and arrays of an enum, an index whose order is that of the labels.
create table kinds.enums (id integer primary key, v kinds.mood not null default 'ok', many kinds.mood[], none kinds.no_label);
create unique index enums_order on kinds.enums (v, id desc);
insert into kinds.enums
select row_number() over (order by label), label, array[label, null, 'ok'], null
from unnest(enum_range(null::kinds.mood)) as label;
insert into kinds.enums values (100, 'sad', null, null), (101, 'ok', '{}', null), (102, 'ok', '[0:1][1:1]={{sad},{"it''s \"quoted\""}}', null);

-- @object enum_renamed since 10
-- A label renamed.
create type kinds.traffic as enum ('rouge', 'green');
alter type kinds.traffic rename value 'rouge' to 'red';
create table kinds.renamed_labels (id integer primary key, v kinds.traffic);
insert into kinds.renamed_labels values (1, 'red'), (2, 'green'), (3, null);

-- @object composites
-- Composites: nested, with user types and floats, with a dropped attribute, with none; NULL beside a row of NULLs.
create type kinds.complex as (r double precision, i double precision);
create type kinds.address as (street text, "No." integer, mood kinds.mood, place point, since kinds.positive);
create type kinds.person as (name text, home kinds.address, scores kinds.complex[], moods kinds.mood[], gone integer, born date);
alter type kinds.person drop attribute gone;
create type kinds.nothing as ();
comment on type kinds.complex is 'two floats';
comment on column kinds.complex.r is 'the real part';
create table kinds.composites (
    id integer primary key, c kinds.complex, p kinds.person, many kinds.person[], empty kinds.nothing
);
insert into kinds.composites values
    (1, '(0.1,-0)', row('Ann "A"', row(E'tab\t, (x)', 1, 'with, comma', '(0.1,1e15)', 5)::kinds.address,
        array[row(0.1, 'NaN')::kinds.complex, null], array['sad', null]::kinds.mood[], '2000-01-01')::kinds.person,
        array[row(null, null, null, null, null)::kinds.person, null, row('', row('', 0, null, null, null)::kinds.address, '{}', '{}', 'infinity')::kinds.person],
        row()::kinds.nothing),
    (2, '(,)', '(,,,,)', '{}', '()'),
    (3, null, null, null, null),
    (4, '(NaN,Infinity)', '(x,"(,,,,)",,,)', null, null);

-- @object row_types
-- A table's row type as a column, and as an array, of another table.
create table kinds.part_of_row (a integer, b text default 'b', dropped date, c real);
alter table kinds.part_of_row drop column dropped;
insert into kinds.part_of_row values (1, 'x', 0.1), (2, null, null);
create table kinds.row_types (id integer primary key, one kinds.part_of_row, many kinds.part_of_row[]);
insert into kinds.row_types
select 1, row(1, E'\\x', 0.3)::kinds.part_of_row, array_agg(p order by a) from kinds.part_of_row as p;
insert into kinds.row_types values (2, '(,,)', '{NULL}'), (3, null, null);

-- @object ranges
-- Built-in ranges: empty, without bounds, with infinite bounds, all kinds of brackets.
create table kinds.ranges (
    id integer primary key, i int4range, b int8range, n numrange, t tsrange, tz tstzrange, d daterange
);
insert into kinds.ranges values
    (1, '[1,5)', '[1,5]', '(1.10,2.0]', '[2000-01-01,2001-01-01)', '(2000-01-01 00:00:00+05,)', '[2000-01-01,2000-12-31]'),
    (2, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty'),
    (3, '(,)', '(,9223372036854775807)', '(,NaN)', '[-infinity,infinity]', '(,)', '[-infinity,infinity)'),
    (4, '[2147483647,2147483647)', '(,)', '[1.0,1.00]', '(,2000-01-01)', '[infinity,infinity]', '(2000-01-01,2000-01-02)'),
    (5, null, null, null, null, null, null);

-- @object user_ranges
-- Ranges over float8 with subtype_diff, over text with a collation, over an enum, over a domain's base.
create function kinds.time_distance(time, time) returns double precision
    language sql immutable strict as 'select extract(epoch from ($1 - $2))::double precision';
create type kinds.float_span as range (subtype = double precision, subtype_diff = float8mi);
create type kinds.time_span as range (subtype = time, subtype_diff = kinds.time_distance);
create type kinds.text_span as range (subtype = text, subtype_opclass = text_pattern_ops, collation = "C");
create type kinds.mood_span as range (subtype = kinds.mood);
comment on type kinds.float_span is 'a range over float8';
create table kinds.user_ranges (
    id integer primary key, f kinds.float_span, t kinds.time_span, x kinds.text_span, m kinds.mood_span,
    floats kinds.float_span[], moods kinds.mood_span[]
);
insert into kinds.user_ranges values
    (1, '[0.1,0.3)', '[00:00:00,24:00:00]', '["a,b","c)"]', '[sad,ok)', '{"[0.1,1e15]",NULL,empty}', '{"[sad,ok]"}'),
    (2, '[-Infinity,NaN]', '(01:02:03.000001,)', E'("\\\\","]"]', '("barely ok","🐘"]', '{}', '{}'),
    (3, 'empty', 'empty', 'empty', 'empty', null, '{empty,NULL}'),
    (4, '(,)', '(,)', '(,)', '(,)', '{"(,)"}', '{"(,)"}'),
    (5, null, null, null, null, null, null);
create index user_ranges_gist on kinds.user_ranges using gist (f, t);

-- @object multiranges since 14
-- Multiranges, built in and of the user's ranges, with a name of its own.
create type kinds.size_span as range (subtype = real, multirange_type_name = kinds."many sizes");
create table kinds.multiranges (
    id integer primary key, i int4multirange, n nummultirange, t tstzmultirange, f kinds.float_span_multirange,
    s kinds."many sizes", m kinds.mood_span_multirange, many int4multirange[], floats kinds.float_span_multirange[]
);
insert into kinds.multiranges values
    (1, '{[1,3),[5,9]}', '{[1.10,2],(3,)}', '{(,2000-01-01 00:00:00+00),[infinity,]}', '{[0.1,0.3),[1e15,)}', '{[0.1,0.2]}', '{[sad,"barely ok"]}', '{"{[1,2)}",NULL,"{}"}', '{"{[0.1,0.2]}"}'),
    (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (3, '{(,)}', '{empty}', '{(,)}', '{(,)}', '{[NaN,NaN]}', '{(,)}', null, null),
    (4, null, null, null, null, null, null, null, null);

-- @object base_type superuser
-- A base type made of the server's own functions for text, a shell type that was never filled.
create type kinds.word;
create function kinds.word_in(cstring) returns kinds.word language internal immutable strict as 'textin';
create function kinds.word_out(kinds.word) returns cstring language internal immutable strict as 'textout';
create type kinds.word (input = kinds.word_in, output = kinds.word_out, internallength = variable, storage = extended,
    category = 'S', collatable = true, default = 'none');
create type kinds.only_a_shell;
comment on type kinds.word is 'a base type';
create table kinds.base_types (id integer primary key, w kinds.word, many kinds.word[]);
insert into kinds.base_types values (1, E'a\tb\\', '{a,NULL,"b c"}'), (2, '', '{}'), (3, null, null);
