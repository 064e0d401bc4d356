-- Large objects, which are in no schema and in no section of a schema-only dump.

-- @object large_objects
-- Empty, small, 2 MiB, with a hole, an OID above two billion; owners, grants, comments, and a table that names them.
create schema large_objects;
select lo_from_bytea(900001, ''::bytea);
select lo_from_bytea(900002, '\x00ff0a0d5c2e');
select lo_from_bytea(900003, (select decode(string_agg(md5(i::text), '' order by i), 'hex') from generate_series(1, 131072) as i));
select lo_from_bytea(900004, 'start'::bytea);
select lo_put(900004, 1000000, 'end'::bytea);
select lo_from_bytea(4000000000, 'a high OID'::bytea);
select lo_from_bytea(900005, decode(repeat('00', 2048), 'hex'));
alter large object 900002 owner to pghaul_owner;
alter large object 900003 owner to "pghaul ""evil"" \role
-- 🐘; drop";
grant select on large object 900002 to pghaul_reader;
grant select, update on large object 900003 to pghaul_writer with grant option;
grant select on large object 900001 to public;
comment on large object 900001 is 'empty';
comment on large object 900003 is E'two MiB; it''s \\ "large"';
create table large_objects.referring (id integer primary key, content oid);
insert into large_objects.referring values (1, 900001), (2, 900003), (3, 4000000000), (4, 999999999);
