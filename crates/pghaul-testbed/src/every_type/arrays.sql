-- Arrays of built-in types: dimensions, lower bounds, NULL and what only looks like it.

-- @object schema
-- The schema of this family.
create schema arrays;

-- @object shapes_of_arrays
-- Several dimensions, lower bounds other than one, empty, NULL elements, six dimensions.
create table arrays.shapes_of_arrays (id integer primary key, i integer[], t text[]);
insert into arrays.shapes_of_arrays values
    (1, '{}', '{}'),
    (2, '{1,NULL,-3}', '{a,NULL,"NULL","null",""}'),
    (3, '{{1,2},{3,4}}', '{{"a,b","c\"d"},{"e\\f","g{h}"}}'),
    (4, '[0:1]={7,8}', '[-5:-4]={x,y}'),
    (5, '[-2:-1][3:4]={{1,2},{3,4}}', E'{"tab\\\t","new\nline","\\\\N","\\\\."," blank "}'),
    (6, '{{{{{{1},{2}}}}}}', '{🐘}'),
    (7, null, null),
    (8, '[2147483646:2147483646]={1}', '[1:1][0:1]={{NULL,NULL}}');
insert into arrays.shapes_of_arrays
select 9, array_agg(i order by i), array_agg(md5(i::text) order by i) from generate_series(1, 20000) as i;

-- @object element_types
-- Arrays of all kinds of elements.
create table arrays.element_types (
    id integer primary key,
    small smallint[], big bigint[], numeric_ numeric[], money_ money[], yes boolean[], bytes bytea[], one "char"[],
    names name[], limited varchar(3)[], blanks char(4)[], dates date[], moments timestamptz[], spans interval[],
    zoned timetz[], ids uuid[], nets inet[], cidrs cidr[], macs macaddr[], bits bit(3)[], varbits varbit[],
    jsons json[], jsonbs jsonb[], xmls xml[], vectors tsvector[], queries tsquery[], oids oid[], lsns pg_lsn[],
    shorts int2vector[], cursors refcursor[], tids tid[], xids xid[], snapshots txid_snapshot[]
);
insert into arrays.element_types values
    (1, '{-32768,NULL}', '{9223372036854775807}', '{NaN,1.10,NULL}', array[1234.56::money, null], '{t,f,NULL}',
     array['\x00'::bytea, '\xff', null, ''], array['a'::"char", null, ' '], '{a," b"}', '{abc,"",NULL}', '{ab,"  "}',
     '{infinity,4714-11-24 BC}', '{-infinity,2000-01-01 00:00:00.000001+00}', '{1 mon -1 days,NULL}', '{24:00:00-15:59:59}',
     '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{::1/64,10.0.0.1}', '{10.0.0.0/8}', '{08:00:2b:01:02:03}', '{101,010}', '{1,""}',
     array['{"a" : 1}'::json, null], array['{"a":1.10}'::jsonb], array['<a/>'::xml], array['a:1A b'::tsvector], array['a & b'::tsquery],
     '{0,4294967295}', '{0/0,FF/FF}', '{"1 2"}', array['c'::refcursor], '{"(1,2)"}', '{5}', array['1:3:2'::txid_snapshot]),
    (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
insert into arrays.element_types (id) values (3);

-- @object float_arrays
-- Arrays of floats: their text differs between servers before and after 12.
create table arrays.float_arrays (id integer primary key, singles real[], doubles double precision[]);
insert into arrays.float_arrays values
    (1, '{0.1,NaN,Infinity,-0,1e15,NULL}', '{0.1,NaN,-Infinity,-0,1e15,5e-324,NULL}'),
    (2, '[0:1][1:1]={{16777216},{0.3}}', '{{0.1,0.2},{0.3,0.30000000000000004}}'),
    (3, '{}', null);

-- @object range_arrays
-- Arrays of built-in ranges.
create table arrays.range_arrays (id integer primary key, i int4range[], n numrange[], t tstzrange[]);
insert into arrays.range_arrays values
    (1, '{"[1,5)",empty,"(,)",NULL}', '{"[1.10,2)","(,1.1]"}', '{"[2000-01-01 00:00:00+00,infinity]"}'), (2, '{}', null, '{}');
