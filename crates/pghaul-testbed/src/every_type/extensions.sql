-- Extensions from contrib and columns of their types.

-- @object schema
-- The schema of this family.
create schema extensions;

-- @object hstore superuser
-- hstore.
create extension hstore with schema extensions;
create table extensions.hstores (id integer primary key, h extensions.hstore, many extensions.hstore[]);
insert into extensions.hstores values (1, E'"a b"=>"c\\"d", x=>NULL, ""=>"\\\\", "tab\t"=>"nl\n"', '{"a=>1","b=>NULL",NULL}'), (2, '', '{}'), (3, null, null);
create index hstores_gin on extensions.hstores using gin (h extensions.gin_hstore_ops);

-- @object citext superuser
-- citext, under a unique index and in a domain.
create extension citext with schema extensions;
create domain extensions.email as extensions.citext;
create table extensions.citexts (v extensions.citext primary key, many extensions.citext[], mail extensions.email);
insert into extensions.citexts values ('MiXed', '{A,b}', 'A@B'), ('', '{}', null);

-- @object ltree superuser
-- ltree, lquery, ltxtquery: no binary form before 13.
create extension ltree with schema extensions;
create table extensions.ltrees (id integer primary key, l extensions.ltree, q extensions.lquery, t extensions.ltxtquery, many extensions.ltree[]);
insert into extensions.ltrees values (1, 'Top.Science.A_1', '*{1,2}.Science@*.!x', 'Sci* & !b@', '{a.b,NULL,""}'), (2, '', '*', null, '{}'), (3, null, null, null, null);
create index ltrees_gist on extensions.ltrees using gist (l);

-- @object cube superuser
-- cube: floats inside, no binary form before 14; earth, a domain over it, from earthdistance.
create extension cube with schema public;
create extension earthdistance with schema public;
create table extensions.cubes (id integer primary key, c public.cube, e public.earth, many public.cube[]);
insert into extensions.cubes values
    (1, '(0.1,0.2),(1e15,-0.3)', public.ll_to_earth(0, 0), '{"(0.1)","(1,2),(3,4)"}'), (2, '(0)', null, '{}'), (3, '(0.1,5e-324)', null, null), (4, null, null, null);

-- @object seg superuser
-- seg, which has no binary form.
create extension seg with schema extensions;
create table extensions.segs (id integer primary key, s extensions.seg);
insert into extensions.segs values (1, '1.10 .. 2.50'), (2, '<5'), (3, '~ 7.0'), (4, '1(+-)0.1'), (5, null), (6, '.. 1e10');

-- @object isn superuser
-- isn, which has no binary form.
create extension isn with schema extensions;
create table extensions.isns (id integer primary key, e extensions.ean13, i extensions.isbn, u extensions.upc, many extensions.issn13[]);
insert into extensions.isns values (1, '9780393040029', '0-393-04002-X', '220356483481', '{977-1436-452-00-8}'), (2, null, null, null, '{}');

-- @object intarray superuser
-- intarray: query_int, which has no binary form, and its operator classes.
create extension intarray with schema extensions;
create table extensions.intarrays (id integer primary key, a integer[], q extensions.query_int);
insert into extensions.intarrays values (1, '{3,1,2}', '1&(2|!3)'), (2, '{}', null);
create index intarrays_gin on extensions.intarrays using gin (a extensions.gin__int_ops);
create index intarrays_gist on extensions.intarrays using gist (a extensions.gist__int_ops);

-- @object trigrams superuser
-- pg_trgm.
create extension pg_trgm with schema extensions;
create table extensions.trigrams (id integer primary key, t text);
insert into extensions.trigrams values (1, 'elephant'), (2, null);
create index trigrams_gin on extensions.trigrams using gin (t extensions.gin_trgm_ops);
create index trigrams_gist on extensions.trigrams using gist (t extensions.gist_trgm_ops);

-- @object btree_classes superuser
-- btree_gist and btree_gin: an exclusion constraint over a scalar and a range.
create extension btree_gist with schema extensions;
create extension btree_gin with schema extensions;
create table extensions.bookings (room integer, during tstzrange, exclude using gist (room with =, during with &&));
insert into extensions.bookings values (1, '[2000-01-01,2000-01-02)'), (2, '[2000-01-01,2000-01-02)'), (1, '[2000-01-02,)');
create index bookings_gin on extensions.bookings using gin (room);

-- @object lo superuser
-- lo, a domain over oid, and its trigger.
create extension lo with schema extensions;
create table extensions.los (id integer primary key, content extensions.lo);
insert into extensions.los values (1, 4294967295), (2, null);

-- @object functions_only superuser
-- Extensions without types: unaccent in an immutable wrapper under an index, tablefunc, fuzzystrmatch.
create extension unaccent with schema extensions;
create extension fuzzystrmatch with schema extensions;
create extension tablefunc with schema extensions;
comment on extension unaccent is 'a comment of the user''s';
create function extensions.without_accents(text) returns text language sql immutable as $$ select extensions.unaccent('extensions.unaccent', $1) $$;
create table extensions.accented (id integer primary key, t text);
insert into extensions.accented values (1, 'Éléphant'), (2, null);
create index accented_t on extensions.accented (extensions.without_accents(t));
