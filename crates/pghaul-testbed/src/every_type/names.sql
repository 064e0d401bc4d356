-- Names that break whoever forgets a quote: keywords, quotes, line ends followed by psql commands, 63 bytes, emoji.

-- @object schemas
-- Schemas with evil names.
create schema "Evil ""schema""; drop schema public; --";
create schema "new
line \! touch /tmp/pghaul_was_here";
create schema "user";
comment on schema "user" is 'a keyword';

-- @object tables
-- Tables with evil names and columns, with rows, keys, sequences, indexes, comments.
create table "user"."table" ("select" serial primary key, "from" text, "user" integer, "Where" text default 'x');
insert into "user"."table" ("from", "user") values ('a', 1), (null, null);
create table "user"."a.b" ("a.b" integer primary key, "a.b.c" text);
insert into "user"."a.b" values (1, 'x');
create table "user"."1 leading digit" ("2" integer, "%s" text, "$1" text, "?" text, ":name" text, "{}" text);
insert into "user"."1 leading digit" values (1, '%d', '$2', '?', ':x', '{0}');
create table "Evil ""schema""; drop schema public; --"."Evil ""table""; drop table x; --" (
    "Evil ""column""; --" integer constraint "Evil ""constraint""; --" check ("Evil ""column""; --" > 0),
    "back\slash" text, "it's" text, " leading and trailing " text, "UPPER" text, "upper" text, "🐘" text, "%I%L" text,
    constraint "Evil ""key""; --" primary key ("Evil ""column""; --")
);
insert into "Evil ""schema""; drop schema public; --"."Evil ""table""; drop table x; --" values
    (1, E'\\', '''', ' ', 'U', 'u', '🐘', '%'), (2, null, null, null, null, null, null, null);
comment on table "Evil ""schema""; drop schema public; --"."Evil ""table""; drop table x; --" is E'evil\n\\! touch /tmp/pghaul_was_here\n$$ $1 %s';
comment on column "Evil ""schema""; drop schema public; --"."Evil ""table""; drop table x; --"."it's" is 'it''s';
create index "Evil ""index""; --" on "Evil ""schema""; drop schema public; --"."Evil ""table""; drop table x; --" ("UPPER", "upper");
create table "new
line \! touch /tmp/pghaul_was_here"."table
\! touch /tmp/pghaul_was_here
\q" (
    "column
\! touch /tmp/pghaul_was_here" integer primary key, "tab	and return
" text
);
insert into "new
line \! touch /tmp/pghaul_was_here"."table
\! touch /tmp/pghaul_was_here
\q" values (1, 'x'), (2, null);
create table "user"."a name of exactly sixty-three bytes, which is the most there is" ("also sixty-three bytes, as long as the name of a column may be." integer primary key);
insert into "user"."a name of exactly sixty-three bytes, which is the most there is" values (1);
create table "user"."🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘" ("é" integer, U&"\0065\0301" integer);
insert into "user"."🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘" values (1, 2);
create table "user"." " (" " integer, "	" integer, "-- comment" integer, "/* comment" integer);
insert into "user"." " values (1, 2, 3, 4);
create table "user"."Same" (id integer);
create table "user"."same" (id integer);
insert into "user"."Same" values (1);
insert into "user"."same" values (2);

-- @object others
-- Types, functions, sequences, triggers, rules, policies with evil names.
create type "user"."Evil ""enum""; --" as enum ('a', 'b "c"', E'it''s \\');
create domain "user"."Evil ""domain""" as "user"."Evil ""enum""; --" constraint "Evil ""check""" check (value <> 'a');
create type "user"."select" as ("from" integer, "Evil ""attribute""" "user"."Evil ""enum""; --");
create sequence "user"."1 sequence; --" start with 5;
create function "user"."Evil ""trigger"" function"() returns trigger language plpgsql as $$ begin return new; end $$;
create table "user"."where" (id integer default nextval('"user"."1 sequence; --"'), e "user"."Evil ""enum""; --"[] default '{a,"b \"c\""}', d "user"."Evil ""domain""", c "user"."select");
insert into "user"."where" (d, c) values ('b "c"', row(1, E'it''s \\')::"user"."select"), (null, null);
create trigger "Evil ""trigger""; --" before insert on "user"."where" for each row execute procedure "user"."Evil ""trigger"" function"();
create rule "Evil ""rule""; --" as on delete to "user"."where" do instead nothing;
create policy "Evil ""policy""
\! touch /tmp/pghaul_was_here" on "user"."where" using (true);
comment on trigger "Evil ""trigger""; --" on "user"."where" is 'evil';

-- @object newer_keyword
-- A column named as what is a keyword from 16 on: servers before write it without quotes into their expressions, where newer ones read SYSTEM_USER, and a check or a view changes its meaning without an error. Only a dump with all identifiers quoted carries it.
create table "user".newer_keyword (id integer primary key, "system_user" text default 'x', constraint not_empty check ("system_user" <> ''));
create index newer_keyword_index on "user".newer_keyword (lower("system_user")) where "system_user" <> 'y';
create view "user".newer_keyword_view as select "system_user" || '!' as shouted from "user".newer_keyword where "system_user" is not null;
insert into "user".newer_keyword values (1, 'x');

-- @object partitions since 10
-- A partition tree with evil names and bounds.
create table "user"."partition ""of""" ("key ""k""" text, v integer) partition by list ("key ""k""");
create table "user"."partition
\q" partition of "user"."partition ""of""" for values in ('it''s', E'new\nline', '"', E'\\', null);
insert into "user"."partition ""of""" values ('it''s', 1), (E'new\nline', 2), ('"', 3), (E'\\', 4), (null, 5);
