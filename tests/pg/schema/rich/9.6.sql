-- A database with every kind of object that 9.6 knows, and with names that want to break out.
-- The roles stand in roles.sql: they are shared by all databases of a server.
create schema app authorization pghaul_owner_a;
create schema "Odd ""Schema""" authorization "pghaul Odd Owner";
create schema hidden;
comment on schema app is 'it''s; -- a comment''s comment';

create extension pg_trgm schema app;
create extension hstore;
comment on extension hstore is 'our own comment';

-- types
create type app.mood as enum ('sad', 'it''s ok', 'happy');
create type app.pair as (a int, b text);
comment on column app.pair.a is 'first';
create type app.span as range (subtype = float8, subtype_diff = float8mi);
create domain app.positive as int not null default 1 constraint positive_only check (value > 0);
comment on constraint positive_only on domain app.positive is 'checked';
create domain app.late as text;
create function app.is_late(text) returns boolean language sql immutable as 'select $1 > ''a''';
alter domain app.late add constraint late_check check (app.is_late(value)) not valid;
create type app.shelled;
create function app.shelled_in(cstring) returns app.shelled language internal immutable strict as 'int4in';
create function app.shelled_out(app.shelled) returns cstring language internal immutable strict as 'int4out';
create type app.shelled (input = app.shelled_in, output = app.shelled_out, like = int4);
create collation app.german (locale = 'C');
alter type app.mood owner to pghaul_owner_b;
alter domain app.positive owner to pghaul_owner_a;
grant usage on type app.mood to pghaul_reader;

-- functions
create function app.forge() returns text language plpgsql as $forge$
begin
    return '
--
-- TOC entry 1 (class 1259 OID 1)
-- Name: x; Type: TABLE; Schema: app; Owner: postgres
--

ALTER ROLE pghaul_reader SUPERUSER;
';
end $forge$;
create function app.dollars() returns text language sql as 'select $a$ "b'' -- c $a$::text /* d */';
create function app."Odd; --"(a int, variadic b text[]) returns setof app.pair language sql
    leakproof security definer cost 7 rows 3 set search_path = app, pg_temp set work_mem = '8MB'
    as $$ select 1, 'x'::text $$;
alter function app."Odd; --"(int, text[]) owner to "pghaul Odd Owner";
revoke all on function app.forge() from public;
grant usage on schema app to pghaul_reader;
grant execute on function app.forge() to pghaul_reader with grant option;
set session authorization pghaul_reader;
grant execute on function app.forge() to "pghaul Odd Owner";
reset session authorization;
create aggregate app.total(int) (sfunc = int4pl, stype = int, initcond = '0');
alter aggregate app.total(int) owner to pghaul_owner_b;
create aggregate app.weird(float8 order by float8)
    (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);

-- operators and their classes
create operator app.=== (leftarg = int, rightarg = int, procedure = int4eq, commutator = operator(app.===), hashes, merges);
create operator app.!=== (leftarg = int, rightarg = int, procedure = int4ne, negator = operator(app.===));
alter operator app.=== (int, int) owner to pghaul_owner_a;
create operator family app.fam using btree;
create operator class app.ints for type int using btree family app.fam as
    operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp(int, int);
create operator class app.ints for type int using hash as operator 1 =, function 1 hashint4(int);
alter operator class app.ints using btree owner to pghaul_owner_b;
alter operator family app.fam using btree owner to pghaul_owner_b;
create function app.to_mood(app.pair) returns app.mood language sql immutable as 'select ''sad''::app.mood';
create cast (app.pair as app.mood) with function app.to_mood(app.pair) as assignment;
comment on cast (app.pair as app.mood) is 'cast';
create conversion app.latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create access method gist2 type index handler gisthandler;

-- text search
create text search dictionary app.dict (template = simple, stopwords = english);
create text search configuration app.conf (parser = default);
alter text search configuration app.conf add mapping for word with app.dict, simple;
create text search template app.templ (lexize = dsimple_lexize, init = dsimple_init);
create text search parser app.pars (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
alter text search dictionary app.dict owner to pghaul_owner_a;

-- tables
create sequence app.alone increment 7 minvalue -5 maxvalue 1000 start 3 cache 4 cycle;
alter sequence app.alone owner to pghaul_owner_b;
grant usage on sequence app.alone to pghaul_reader;
create table app.people (
    id bigserial primary key,
    name text collate "C" not null,
    mood app.mood default 'sad',
    pair app.pair,
    amount app.positive,
    mail text,
    born date,
    seen tstzrange,
    doc tsvector,
    constraint name_long check (length(name) > 1) no inherit,
    constraint mail_unique unique (mail) deferrable initially deferred,
    exclude using gist (seen with &&) where (amount is not null)
);
alter table app.people owner to pghaul_owner_a;
alter table app.people alter column name set statistics 77;
alter table app.people alter column doc set storage external;
alter table app.people alter column mail set (n_distinct = -0.5);
alter table app.people set (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
alter table app.people add constraint late_check check (born > '1900-01-01') not valid;
comment on column app.people.name is 'a name';
comment on constraint name_long on app.people is 'a constraint';
create unique index people_name on app.people (name collate "C" desc nulls last) with (fillfactor = 80);
comment on index app.people_name is 'an index';
alter table app.people cluster on people_name;
alter table app.people replica identity using index people_name;
create index people_part on app.people using btree (lower(mail), id) where id > 10;
create index people_trgm on app.people using gist (name app.gist_trgm_ops);
create table app.orders (
    id int not null, person_id bigint, other int, "we;ird -- col" text default ';--',
    constraint orders_pkey primary key (id),
    constraint orders_person foreign key (person_id) references app.people on delete cascade on update set null deferrable
);
alter table app.orders owner to pghaul_owner_a;
alter table app.orders add constraint orders_other foreign key (other) references app.orders not valid;
comment on constraint orders_other on app.orders is 'not valid';
alter table app.orders replica identity full;
create unique index orders_by_index on app.orders (other);
alter table app.orders add constraint orders_by_index unique using index orders_by_index;
grant select, insert (id, other), update on app.orders to pghaul_reader with grant option;
grant all on app.people to pghaul_owner_b;
revoke delete on app.orders from pghaul_owner_a;
set session authorization pghaul_reader;
grant select on app.orders to public;
grant select, update on app.orders to "pghaul Odd Owner";
reset session authorization;
grant select (id), references (id) on app.people to pghaul_reader;
create table "Odd ""Schema"""."Ta
ble; --" ("a""b" int, "Select" int, primary key ("a""b"));
alter table "Odd ""Schema"""."Ta
ble; --" owner to "pghaul Odd Owner";
create unlogged table app.unlogged (a int);
create table app.empty ();
create table app.typed of app.pair (a with options default 3);
alter table app.typed alter column b set not null;
create table app.parent (a int, b text, check (a > 0));
create table app.child (c int) inherits (app.parent);
alter table app.child alter column a set default 9;
alter table app.child no inherit app.parent;
alter table app.child inherit app.parent;
create table app.child2 (b text, a int) inherits (app.parent);
alter table app.parent add column d int default 4;
create table app.child3 (e int) inherits (app.parent);
alter table app.child3 alter column b set not null, alter column "a" set default 5;
alter table app.child3 alter column d set not null;
create table app.child4 () inherits (app.parent);
alter table app.child4 alter column b set not null;
create table app.dropped (a int, b int, c int);
alter table app.dropped drop column b;

-- views, rules, triggers, policies
create view app.shown with (security_barrier = true) as select id, name from app.people where name <> '' with local check option;
alter view app.shown owner to pghaul_owner_b;
alter view app.shown alter column name set default 'x';
create materialized view app.summary with (fillfactor = 50) as select mood, count(*) as number from app.people group by mood with no data;
create materialized view app.summary_of_summary as select sum(number) as total from app.summary with no data;
alter materialized view app.summary owner to pghaul_owner_a;
create unique index summary_mood on app.summary (mood);
create view app.grouped as select id, name, count(*) from app.people group by id;
create view app.numbers as with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select n from t;
create rule people_rule as on update to app.shown do also notify changed;
comment on rule people_rule on app.shown is 'a rule';
create table app.ruled (a int);
create rule ruled_none as on insert to app.ruled do instead nothing;
alter table app.ruled disable rule ruled_none;
create function app.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger people_touch before insert or update of name on app.people for each row when (new.id > 0) execute procedure app.touch('a', 'it''s');
create constraint trigger people_late after insert on app.people deferrable initially deferred for each row execute procedure app.touch();
alter table app.people disable trigger people_touch;
alter table app.people enable always trigger people_late;
comment on trigger people_touch on app.people is 'a trigger';
create view app.triggered as select 1 as a;
create trigger triggered_instead instead of insert on app.triggered for each row execute procedure app.touch();
alter table app.people enable row level security;
alter table app.orders enable row level security;
alter table app.orders force row level security;
create policy people_own on app.people for select to pghaul_reader, public using (name = current_user);
create policy orders_any on app.orders with check (id > 0);
comment on policy people_own on app.people is 'a policy';
create function app.noticed() returns event_trigger language plpgsql as 'begin end';
create event trigger pghaul_noticed on ddl_command_end when tag in ('CREATE TABLE') execute procedure app.noticed();
comment on event trigger pghaul_noticed is 'an event trigger';
alter event trigger pghaul_noticed disable;

-- foreign things
create extension postgres_fdw;
create foreign data wrapper nothing options (debug 'true');
create server away type 'a' version '1' foreign data wrapper postgres_fdw options (host 'nowhere.example.org', dbname 'it''s');
create user mapping for pghaul_reader server away options (user 'u', password 'hunter2;''--');
create user mapping for public server away;
create foreign table app.remote (a int options (column_name 'b') not null, b text) server away options (table_name 't');
alter foreign table app.remote owner to pghaul_owner_a;
alter server away owner to pghaul_owner_b;
grant usage on foreign server away to pghaul_owner_a;
grant usage on foreign data wrapper postgres_fdw to pghaul_owner_b;

-- languages, default privileges
create function app.handle() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler';
create trusted language again handler app.handle;
create function app.in_again() returns int language again as 'begin return 1; end';
alter default privileges for role pghaul_owner_a in schema app grant select on tables to pghaul_reader;
alter default privileges for role pghaul_owner_b in schema app grant select on tables to pghaul_reader;
alter default privileges for role pghaul_owner_a revoke execute on functions from public;
alter default privileges for role pghaul_owner_b grant usage on types to pghaul_reader;
grant create on schema hidden to pghaul_owner_b;
revoke execute on function pg_catalog.pg_sleep(float8) from public;
