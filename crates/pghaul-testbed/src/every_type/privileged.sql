-- What only a superuser can make: operator classes, binary casts, languages, access methods, event triggers.

-- @object schema
-- The schema of this family.
create schema privileged;

-- @object operator_classes superuser
-- Operator families and classes for btree and hash, one used by a unique index, one family with loose members.
create function privileged.backwards(integer, integer) returns integer language sql immutable strict as 'select -pg_catalog.btint4cmp($1, $2)';
create operator family privileged.backwards_family using btree;
create operator class privileged.backwards_ops for type integer using btree family privileged.backwards_family as
    operator 1 pg_catalog.>, operator 2 pg_catalog.>=, operator 3 pg_catalog.=, operator 4 pg_catalog.<=, operator 5 pg_catalog.<,
    function 1 privileged.backwards(integer, integer);
create operator class privileged.hash_ops for type integer using hash as operator 1 pg_catalog.=, function 1 pg_catalog.hashint4(integer);
create operator family privileged.loose_family using btree;
alter operator family privileged.loose_family using btree add
    operator 1 pg_catalog.< (integer, bigint), operator 3 pg_catalog.= (integer, bigint), function 1 (integer, bigint) pg_catalog.btint48cmp(integer, bigint);
comment on operator class privileged.backwards_ops using btree is 'backwards';
comment on operator family privileged.loose_family using btree is 'loose';
alter operator class privileged.hash_ops using hash owner to pghaul_owner;
create table privileged.uses_class (id integer, v integer);
create unique index uses_class_backwards on privileged.uses_class (id privileged.backwards_ops);
create index uses_class_hash on privileged.uses_class using hash (v privileged.hash_ops);
insert into privileged.uses_class values (1, 5), (2, 4), (3, null);

-- @object casts superuser
-- Casts by input and output, and one without any function, of a base type that is text by another name.
create type privileged.cast_from as (a integer);
create type privileged.cast_to as (a integer);
create cast (privileged.cast_from as integer) with inout as implicit;
create cast (privileged.cast_to as text) with inout as assignment;
create type privileged.same_bytes;
create function privileged.same_bytes_in(cstring) returns privileged.same_bytes language internal immutable strict as 'textin';
create function privileged.same_bytes_out(privileged.same_bytes) returns cstring language internal immutable strict as 'textout';
create type privileged.same_bytes (input = privileged.same_bytes_in, output = privileged.same_bytes_out, like = text);
create cast (privileged.same_bytes as text) without function as implicit;

-- @object language superuser
-- A trusted language by functions in C, those of plpgsql, and a function in it.
create function privileged.call_handler() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler';
create function privileged.inline_handler(internal) returns void language c strict as '$libdir/plpgsql', 'plpgsql_inline_handler';
create function privileged.validator(oid) returns void language c strict as '$libdir/plpgsql', 'plpgsql_validator';
create trusted language pghaul_language handler privileged.call_handler inline privileged.inline_handler validator privileged.validator;
comment on language pghaul_language is 'a language';
grant usage on language pghaul_language to pghaul_reader;
create function privileged.in_language() returns integer language pghaul_language as $$ begin return 1; end $$;

-- @object access_method superuser
-- An index access method: btree under another name.
create access method pghaul_btree type index handler bthandler;
comment on access method pghaul_btree is 'btree again';

-- @object table_access_method since 12 superuser
-- A table access method that no table uses: heap under another name.
create access method pghaul_heap type table handler heap_tableam_handler;

-- @object text_search_parts superuser
-- A text search parser and template by the server's own functions, and what is made of them.
create text search parser privileged.parser (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
create text search template privileged.template (init = dsimple_init, lexize = dsimple_lexize);
create text search dictionary privileged.dictionary (template = privileged.template, stopwords = english);
create text search configuration privileged.config (parser = privileged.parser);
alter text search configuration privileged.config add mapping for asciiword with privileged.dictionary;
comment on text search parser privileged.parser is 'a parser';
comment on text search template privileged.template is 'a template';

-- @object custom_setting superuser
-- A function with a setting that only its own library would know.
create function privileged.custom_setting() returns text language sql set "privileged.custom" = 'it''s \ "x"' as $$ select current_setting('privileged.custom') $$;

-- @object leakproof superuser
-- LEAKPROOF, and functions in the server's own code.
create function privileged.leakproof(integer) returns boolean language sql immutable leakproof as 'select $1 > 0';
create function privileged.internal(double precision) returns double precision language internal immutable strict as 'dsqrt';

-- @object event_triggers superuser
-- Event triggers that do nothing: enabled, with tags, disabled, on replica, always.
create function privileged.on_event() returns event_trigger language plpgsql as $$ begin null; end $$;
create event trigger pghaul_on_end on ddl_command_end execute procedure privileged.on_event();
create event trigger pghaul_on_start on ddl_command_start when tag in ('CREATE TABLE', 'ALTER TABLE') execute procedure privileged.on_event();
create event trigger pghaul_on_drop on sql_drop execute procedure privileged.on_event();
create event trigger pghaul_on_rewrite on table_rewrite execute procedure privileged.on_event();
alter event trigger pghaul_on_start enable always;
alter event trigger pghaul_on_drop disable;
alter event trigger pghaul_on_rewrite enable replica;
comment on event trigger pghaul_on_end is 'harmless';

-- @object login_trigger since 17 superuser
-- An event trigger at login that does nothing.
create event trigger "pghaul ""login""" on login execute procedure privileged.on_event();
