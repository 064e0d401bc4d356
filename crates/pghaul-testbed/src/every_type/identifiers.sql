-- Values that name something: network addresses, UUIDs, bits, transaction ids, and names of objects.

-- @object schema
-- The schema of this family.
create schema identifiers;

-- @object network
-- inet, cidr, macaddr.
create table identifiers.network (id integer primary key, i inet, c cidr, m macaddr);
insert into identifiers.network values
    (1, '0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00'),
    (2, '255.255.255.255', '192.168.0.0/16', 'ff:ff:ff:ff:ff:ff'),
    (3, '10.1.2.3/8', '10.0.0.0/8', '08-00-2b-01-02-03'),
    (4, '::ffff:1.2.3.4/96', '2001:db8::/32', null),
    (5, '2001:db8::1/64', '::/0', null),
    (6, '10.1.2.3/32', '10.1.2.3/32', null),
    (7, null, null, null);

-- @object macaddr8 since 10
-- macaddr8.
create table identifiers.macaddr8 (id integer primary key, m macaddr8);
insert into identifiers.macaddr8 values (1, '08:00:2b:01:02:03:04:05'), (2, '08:00:2b:01:02:03'), (3, null);

-- @object bits
-- bit and varbit of lengths that are no multiple of eight, bool, uuid.
create table identifiers.bits (id integer primary key, five bit(5), any_ varbit, short varbit(3), yes boolean, u uuid);
insert into identifiers.bits values
    (1, B'10101', B'', B'1', true, '00000000-0000-0000-0000-000000000000'),
    (2, B'00000', B'1111111110', B'', false, 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    (3, null, null, null, null, null),
    (4, B'11111', (repeat('10', 5000) || '1')::varbit, B'011', true, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11');

-- @object system_values
-- oid, xid, cid, tid, the two vectors, refcursor, pg_lsn, txid_snapshot.
create table identifiers.system_values (
    id integer primary key, o oid, x xid, c cid, t tid, small int2vector, many oidvector,
    cursor_ refcursor, lsn pg_lsn, snapshot txid_snapshot
);
insert into identifiers.system_values values
    (1, 0, '0', '0', '(0,0)', '', '', '', '0/0', '1:1:'),
    (2, 4294967295, '4294967295', '4294967295', '(4294967295,65535)', '-32768 0 32767', '0 4294967295', E'a "cursor" \\', 'FFFFFFFF/FFFFFFFF', '100:4294967396:100,105,4294967295'),
    (3, null, null, null, null, null, null, null, null, null);

-- @object xid8 since 13
-- xid8 and pg_snapshot.
create table identifiers.xid8 (id integer primary key, x xid8, s pg_snapshot);
insert into identifiers.xid8 values
    (1, '0', '1:1:'), (2, '18446744073709551615', '10:20:10,14,15'), (3, null, null);

-- @object user_objects
-- What the reg* columns point to.
create table identifiers.pointed_at (id integer);
create function identifiers.pointed_at(integer) returns integer language sql as 'select $1';
create function identifiers.pointed_twice() returns integer language sql as 'select 1';
create operator identifiers.=## (procedure = identifiers.pointed_at, rightarg = integer);
create type identifiers.pointed_type as (a integer);
create text search configuration identifiers.pointed_config (copy = pg_catalog.simple);
create text search dictionary identifiers.pointed_dictionary (template = pg_catalog.simple, stopwords = english);
-- Names that only newer servers quote: json from 16, system_user from 16.
create table identifiers.json ("system_user" integer);
create type identifiers."system_user" as (json integer);
create function identifiers.json_object() returns integer language sql as 'select 1';

-- @object object_names
-- reg* columns and arrays of them: built-in objects, the user's own, none, and one that never was. Their binary form is an OID, so it loads silently wrong.
create table identifiers.object_names (
    id integer primary key,
    proc regproc, procedure_ regprocedure, oper_ regoper, operator_ regoperator, class regclass,
    type_ regtype, role_ regrole, namespace_ regnamespace, config regconfig, dictionary regdictionary
);
insert into identifiers.object_names values
    (1, 'now', 'abs(integer)', '|/', '+(integer,integer)', 'pg_catalog.pg_class', 'integer', 'pghaul_owner', 'pg_catalog', 'pg_catalog.english', 'pg_catalog.english_stem'),
    (2, 'identifiers.pointed_twice', 'identifiers.pointed_at(integer)', 'identifiers.=##', 'identifiers.=##(none,integer)', 'identifiers.pointed_at', 'identifiers.pointed_type', 'pghaul_reader', 'identifiers', 'identifiers.pointed_config', 'identifiers.pointed_dictionary'),
    (3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (4, 4000000001, 4000000002, 4000000003, 4000000004, 4000000005, 4000000006, 4000000007, 4000000008, 4000000009, 4000000010),
    (5, null, null, null, null, null, null, null, null, null, null),
    (7, 'identifiers.json_object', 'identifiers.json_object()', null, null, 'identifiers.json', 'identifiers."system_user"', null, null, null, null);
insert into identifiers.object_names (id, class, type_, role_)
select 6, 'identifiers.object_names', 'identifiers.object_names[]', quote_ident(rolname)::regrole
from pg_catalog.pg_roles where rolname like 'pghaul "evil"%';

-- @object object_name_arrays
-- Arrays of reg* types.
create table identifiers.object_name_arrays (
    id integer primary key, classes regclass[], types regtype[], procedures regprocedure[], configs regconfig[]
);
insert into identifiers.object_name_arrays values
    (1, '{identifiers.pointed_at,pg_class,NULL}', '{identifiers.pointed_type,"character varying","integer[]"}', '{identifiers.pointed_at(integer)}', '{english,identifiers.pointed_config}'),
    (2, '{}', null, '{}', null);

-- @object collation_names since 13
-- regcollation.
create collation identifiers.pointed_collation (locale = 'C');
create table identifiers.collation_names (id integer primary key, c regcollation, many regcollation[]);
insert into identifiers.collation_names values
    (1, '"C"', '{"\"POSIX\"",identifiers.pointed_collation}'), (2, 'identifiers.pointed_collation', null);

-- @object access_items
-- aclitem, which has no binary form and names roles.
create table identifiers.access_items (id integer primary key, a aclitem, many aclitem[]);
insert into identifiers.access_items values
    (1, 'pghaul_owner=arwd/pghaul_reader', '{=r/pghaul_owner,pghaul_writer=a*r*/pghaul_owner}'), (2, null, '{}');
