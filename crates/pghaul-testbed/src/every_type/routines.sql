-- Functions, procedures, aggregates, operators, casts: everything that a user without special rights can make.

-- @object schema
-- The schema of this family.
create schema routines;
grant usage, create on schema routines to pghaul_owner;

-- @object functions
-- Functions: defaults, OUT, VARIADIC, TABLE, SETOF, polymorphic, overloaded, all attributes.
create function routines.plain(a integer default 1, inout b text default E'it''s \\', out c numeric) language sql as $$ select $2, $1::numeric $$;
create function routines.variadic_(variadic parts text[]) returns text language sql immutable strict parallel safe cost 5 as $_$ select array_to_string($1, '$$ $body$ ''') $_$;
create function routines.rows_() returns table (id integer, "a ""b""" text) language sql stable rows 7 as $$ select 1, 'x'::text $$;
create function routines.set_() returns setof integer language plpgsql volatile called on null input as $body$
declare
    i integer;
begin
    for i in 1..3 loop
        return next i;
    end loop;
exception when others then
    raise notice '%', sqlerrm; -- a comment; with a semicolon
end;
$body$;
create function routines.poly(anyelement, anyarray) returns anyelement language sql immutable as 'select $1';
create function routines.plain(text) returns text language sql immutable as 'select $1';
create function routines.defined() returns name language sql security definer set search_path = routines, pg_temp set work_mem = '1MB' as 'select current_user';
create function routines."Evil ""function""
\! touch /tmp/pghaul_was_here"("arg ""1""" integer) returns integer language sql as 'select $1';
comment on function routines.plain(integer, text) is 'plain; with \ and ''quotes''';
alter function routines.defined() owner to pghaul_owner;

-- @object forged_header
-- A body that forges the headers of pg_dump's text and then an ALTER ROLE. Whoever splits the dump at its comments runs it.
create function routines.forged() returns text language sql as $forged$
select 'x'::text; /*
--
-- Name: forged; Type: TABLE; Schema: routines; Owner: postgres
--

ALTER ROLE pghaul_reader SUPERUSER;

--
-- TOC entry 1 (class 1259 OID 16384)
-- Name: forged2; Type: ACL; Schema: routines; Owner: postgres
--

GRANT pg_write_all_data TO PUBLIC;
\connect template1
\! touch /tmp/pghaul_was_here
*/
select 'y'::text;
$forged$;

-- @object atomic since 14
-- SQL functions with BEGIN ATOMIC, whose body depends on tables and on each other.
create table routines.read_by_atomic (id integer primary key, v text);
insert into routines.read_by_atomic values (1, 'x');
create function routines.atomic(a integer) returns text language sql stable begin atomic
    select read_by_atomic.v from routines.read_by_atomic where read_by_atomic.id = a;
    select case when a > 0 then 'it''s; "END"' else 'end' end;
end;
create function routines.returned(a integer default 1) returns integer language sql immutable return a + case when a > 1 then 1 else 0 end;
create function routines.on_atomic() returns text language sql stable begin atomic; select routines.atomic(routines.returned()); end;
create function routines.empty_body() returns void language sql begin atomic end;

-- @object procedures since 11
-- Procedures, with INOUT.
create procedure routines.proc(a integer, inout b text default 'x') language plpgsql as $$ begin commit; b := a::text; end $$;
create procedure routines.proc_sql() language sql as 'select 1';
comment on procedure routines.proc_sql() is 'a procedure';

-- @object procedure_out since 14
-- A procedure with OUT.
create procedure routines.proc_out(out a integer, in b text) language plpgsql as $$ begin a := length(b); end $$;

-- @object atomic_procedure since 14
-- A procedure with BEGIN ATOMIC.
create procedure routines.proc_atomic(a integer) language sql begin atomic
    insert into routines.read_by_atomic values (a, 'y');
    delete from routines.read_by_atomic where id = a;
end;

-- @object aggregates
-- Aggregates: plain, moving, ordered-set, hypothetical, parallel.
create function routines.add(integer, integer) returns integer language sql immutable parallel safe as 'select coalesce($1, 0) + coalesce($2, 0)';
create function routines.sub(integer, integer) returns integer language sql immutable parallel safe as 'select coalesce($1, 0) - coalesce($2, 0)';
create aggregate routines.total(integer) (sfunc = routines.add, stype = integer, initcond = '0', combinefunc = routines.add, parallel = safe);
create aggregate routines.moving(integer) (sfunc = routines.add, stype = integer, msfunc = routines.add, minvfunc = routines.sub, mstype = integer, minitcond = '5', sspace = 8);
create aggregate routines.longest(text order by text) (sfunc = pg_catalog.textcat, stype = text);
create aggregate routines."evil ""aggregate"""(variadic integer[]) (sfunc = pg_catalog.array_cat, stype = integer[]);
comment on aggregate routines.total(integer) is 'a total';
alter aggregate routines.total(integer) owner to pghaul_owner;

-- @object operators
-- Operators: with commutator, negator, estimators; a prefix operator; a cast by function.
create type routines.pair as (a integer, b integer);
create function routines.pair_eq(routines.pair, routines.pair) returns boolean language sql immutable as 'select ($1).a = ($2).a and ($1).b = ($2).b';
create function routines.pair_ne(routines.pair, routines.pair) returns boolean language sql immutable as 'select not (($1).a = ($2).a and ($1).b = ($2).b)';
create function routines.pair_minus(routines.pair) returns routines.pair language sql immutable as 'select row(-($1).a, -($1).b)::routines.pair';
create operator routines.=== (procedure = routines.pair_eq, leftarg = routines.pair, rightarg = routines.pair, commutator = operator(routines.===), negator = operator(routines.!==), restrict = eqsel, join = eqjoinsel, hashes, merges);
create operator routines.!== (procedure = routines.pair_ne, leftarg = routines.pair, rightarg = routines.pair, commutator = operator(routines.!==), negator = operator(routines.===), restrict = neqsel, join = neqjoinsel);
create operator routines.~-~ (procedure = routines.pair_minus, rightarg = routines.pair);
create function routines.pair_text(routines.pair) returns text language sql immutable as 'select ($1).a || '':'' || ($1).b';
create cast (routines.pair as text) with function routines.pair_text(routines.pair) as assignment;
comment on operator routines.=== (routines.pair, routines.pair) is 'equal';
comment on cast (routines.pair as text) is 'a cast';
alter operator routines.=== (routines.pair, routines.pair) owner to pghaul_owner;
create table routines.uses_operators (id integer primary key, p routines.pair, check (p operator(routines.===) p));
insert into routines.uses_operators values (1, '(1,2)'), (2, null);

-- @object operator_half_link
-- Two operators of which only the later one names the other as its negator.
create function routines.is_odd(integer, integer) returns boolean language sql immutable as 'select ($1 + $2) % 2 = 1';
create function routines.is_even(integer, integer) returns boolean language sql immutable as 'select ($1 + $2) % 2 = 0';
create operator routines.~~~~ (procedure = routines.is_even, leftarg = integer, rightarg = integer, negator = operator(routines.!!!!));
create operator routines.!!!! (procedure = routines.is_odd, leftarg = integer, rightarg = integer);

-- @object conversion
-- A conversion of encodings.
create conversion routines.latin1 for 'LATIN1' to 'UTF8' from pg_catalog.iso8859_1_to_utf8;
comment on conversion routines.latin1 is 'a conversion';
alter conversion routines.latin1 owner to pghaul_owner;

-- @object text_search
-- Text search dictionaries and a configuration with changed mappings.
create text search dictionary routines.words (template = pg_catalog.simple, stopwords = english, accept = false);
create text search dictionary routines.stems (template = pg_catalog.snowball, language = german, stopwords = german);
create text search configuration routines.searched (copy = pg_catalog.english);
alter text search configuration routines.searched alter mapping for asciiword, word with routines.words, routines.stems, pg_catalog.simple;
alter text search configuration routines.searched drop mapping for email;
create text search configuration routines."evil ""config""" (parser = pg_catalog."default");
comment on text search configuration routines.searched is 'a configuration';
comment on text search dictionary routines.words is 'a dictionary';
alter text search configuration routines.searched owner to pghaul_owner;
alter text search dictionary routines.words owner to pghaul_owner;
create table routines.searched_texts (id integer primary key, v text);
create index searched_texts_gin on routines.searched_texts using gin (to_tsvector('routines.searched', v));
insert into routines.searched_texts values (1, 'The elephants dance'), (2, null);

-- @object collations
-- Collations of libc, in columns and indexes.
create schema collations;
grant usage, create on schema collations to pghaul_owner;
create collation collations.plain (locale = 'C');
create collation collations.copied from pg_catalog."C";
create collation collations."evil ""collation""" (lc_collate = 'C', lc_ctype = 'POSIX');
comment on collation collations.plain is 'plain C';
alter collation collations.plain owner to pghaul_owner;
create table collations.used (id integer primary key, a text collate collations.plain, b text collate collations."evil ""collation""");
insert into collations.used values (1, 'Ä', 'ä'), (2, 'a', 'B');
create index used_a on collations.used (a, b collate collations.copied);

-- @object icu_collations since 10
-- Collations of ICU.
create collation collations.phone_book (provider = icu, locale = 'de-u-co-phonebk');
create collation collations.numeric_order (provider = icu, locale = 'en-u-kn-true');
create table collations.used_icu (id integer primary key, a text collate collations.phone_book, b text collate collations.numeric_order);
insert into collations.used_icu values (1, 'Äpfel', 'a10'), (2, 'Apfel', 'a9'), (3, null, null);
create unique index used_icu_a on collations.used_icu (a);
create index used_icu_b on collations.used_icu (b);

-- @object nondeterministic since 12
-- A collation that holds upper and lower case for equal, under a unique index.
create collation collations.caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table collations.used_caseless (a text collate collations.caseless primary key, b text);
insert into collations.used_caseless values ('Straße', 'x'), ('HAUS', null);

-- @object icu_rules since 16
-- A collation with rules.
create collation collations.ruled (provider = icu, locale = 'und', rules = '&V << w <<< W');

-- @object builtin_collation since 17
-- A collation of the built-in provider.
create collation collations.builtin_utf8 (provider = builtin, locale = 'C.UTF-8');
create table collations.used_builtin (a text collate collations.builtin_utf8 primary key, b text collate pg_catalog.pg_c_utf8);
insert into collations.used_builtin values ('Ä', 'ä'), ('z', null);
