-- Changes of the schema.

-- @plant a view is lost
drop view views.through_function;
-- @found catalog: relation "views"."through_function" is on the source only
-- @found schema: on the source only: CREATE VIEW "views"."through_function" AS SELECT "f"."id", "f"."v" FROM "views"."setof_grouped" () "f" ("id", "v", "n")
-- @found schema: on the source only: ALTER VIEW "views"."through_function" OWNER TO "postgres"

-- @plant a function is lost
drop function routines.variadic_(text[]);
-- @found catalog: function "routines"."variadic_"("text"[]) is on the source only
-- @found schema: on the source only: CREATE FUNCTION "routines"."variadic_" (VARIADIC "parts" "text"[]) RETURNS "text" LANGUAGE "sql" IMMUTABLE STRICT COST 5 PARALLEL SAFE AS $_$ select array_to_string($1, '$$ $body$ ''') $_$
-- @found schema: on the source only: ALTER FUNCTION "routines"."variadic_" (VARIADIC "parts" "text"[]) OWNER TO "postgres"

-- @plant an index is lost
drop index indexes.directions;
-- @found catalog: index "indexes"."directions" is on the source only
-- @found schema: on the source only: CREATE INDEX "directions" ON "indexes"."btree" USING "btree" ("d" DESC NULLS LAST, "n" NULLS FIRST) WITH ("fillfactor" = '60')

-- @plant another order in an index
drop index indexes.other_collation;
create index other_collation on indexes.btree (t collate "C", v collate "POSIX");
-- @found catalog: index "indexes"."other_collation": definition is `CREATE INDEX "other_collation" ON "indexes"."btree" USING "btree" ("t" COLLATE "C" DESC, "v" COLLATE "POSIX")` on the source, `CREATE INDEX "other_collation" ON "indexes"."btree" USING "btree" ("t" COLLATE "C", "v" COLLATE "POSIX")` on the target
-- @found schema: on the source only: CREATE INDEX "other_collation" ON "indexes"."btree" USING "btree" ("t" COLLATE "C" DESC, "v" COLLATE "POSIX")
-- @found schema: on the target only: CREATE INDEX "other_collation" ON "indexes"."btree" USING "btree" ("t" COLLATE "C", "v" COLLATE "POSIX")

-- @plant a check is lost
alter table constraints.checks drop constraint of_two;
-- @found catalog: constraint "of_two" on "constraints"."checks" is on the source only
-- @found schema: on the source only: CREATE TABLE "constraints"."checks" ("id" integer, "v" "text", "w" integer, CONSTRAINT "by_function" CHECK ("constraints"."is_fine" ("v")), CONSTRAINT "evil ""check""; --" CHECK ((("v" < > 'it''s \ "bad"'::"text") AND ("v" ! ~ '%s'::"text"))), CONSTRAINT "id_check" CHECK (("id" > 0)), CONSTRAINT "of_two" CHECK ((("id" < "w") OR ("w" IS NULL))) NO INHERIT) [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "constraints"."checks" ("id" integer, "v" "text", "w" integer, CONSTRAINT "by_function" CHECK ("constraints"."is_fine" ("v")), CONSTRAINT "evil ""check""; --" CHECK ((("v" < > 'it''s \ "bad"'::"text") AND ("v" ! ~ '%s'::"text"))), CONSTRAINT "id_check" CHECK (("id" > 0))) [access method "heap"]

-- @plant a foreign key's action
alter table constraints.children drop constraint children_restrict__fkey;
alter table constraints.children add constraint children_restrict__fkey foreign key (restrict_) references constraints.parents on delete no action on update restrict deferrable;
-- @found catalog: constraint "children_restrict__fkey" on "constraints"."children": definition is `FOREIGN KEY ("restrict_") REFERENCES "constraints"."parents"("id") ON UPDATE RESTRICT ON DELETE RESTRICT DEFERRABLE` on the source, `FOREIGN KEY ("restrict_") REFERENCES "constraints"."parents"("id") ON UPDATE RESTRICT DEFERRABLE` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "constraints"."children" ADD CONSTRAINT "children_restrict__fkey" FOREIGN KEY ("restrict_") REFERENCES "constraints"."parents" ("id") ON UPDATE RESTRICT ON DELETE RESTRICT DEFERRABLE
-- @found schema: on the target only: ALTER TABLE ONLY "constraints"."children" ADD CONSTRAINT "children_restrict__fkey" FOREIGN KEY ("restrict_") REFERENCES "constraints"."parents" ("id") ON UPDATE RESTRICT DEFERRABLE

-- @plant another type
alter table numbers.integers alter column whole type bigint;
-- @found numbers.integers has other values on the target: whole
-- @found catalog: column "numbers"."integers"."whole": type is `integer` on the source, `bigint` on the target
-- @found schema: on the source only: CREATE TABLE "numbers"."integers" ("id" integer NOT NULL, "small" smallint, "whole" integer, "big" bigint) [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "numbers"."integers" ("id" integer NOT NULL, "small" smallint, "whole" bigint, "big" bigint) [access method "heap"]

-- @plant a column more
alter table texts.collated add column more text;
-- @found texts.collated has columns on the target only: more
-- @found catalog: column "texts"."collated"."more" is on the target only
-- @found schema: on the source only: CREATE TABLE "texts"."collated" ("id" integer NOT NULL, "c" "text" COLLATE "pg_catalog"."C", "p" "text" COLLATE "pg_catalog"."POSIX", "d" "text") [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "texts"."collated" ("id" integer NOT NULL, "c" "text" COLLATE "pg_catalog"."C", "p" "text" COLLATE "pg_catalog"."POSIX", "d" "text", "more" "text") [access method "heap"]

-- @plant another length
alter table texts.texts alter column c type varchar(13);
-- @found catalog: column "texts"."texts"."c": type is `character varying(12)` on the source, `character varying(13)` on the target
-- @found schema: on the source only: CREATE TABLE "texts"."texts" ("id" integer NOT NULL, "v" "text", "c" character varying (12), "b" character (6), "n" "name") [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "texts"."texts" ("id" integer NOT NULL, "v" "text", "c" character varying (13), "b" character (6), "n" "name") [access method "heap"]

-- @plant NOT NULL is lost
alter table tables.dropped_and_added alter column late drop not null;
-- @found catalog: column "tables"."dropped_and_added"."late": not null is `true` on the source, `false` on the target
-- @found schema: on the source only: CREATE TABLE "tables"."dropped_and_added" ("id" integer NOT NULL, "kept" "text", "late" integer NOT NULL, "later" timestamp with time zone DEFAULT "now" (), "never" "text") [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "tables"."dropped_and_added" ("id" integer NOT NULL, "kept" "text", "late" integer, "later" timestamp with time zone DEFAULT "now" (), "never" "text") [access method "heap"]

-- @plant another default
alter table tables.defaults alter column j set default '{"a": [1.1]}';
-- @found catalog: column "tables"."defaults"."j": default is `'{"a": [1.10]}'::"jsonb"` on the source, `'{"a": [1.1]}'::"jsonb"` on the target
-- @found schema: on the source only: CREATE TABLE "tables"."defaults" ("id" bigint DEFAULT "nextval" ('"tables"."shared_numbers"'::"regclass") NOT NULL, "t" "text" DEFAULT "tables"."default_text" (), "q" "text" DEFAULT 'it''s "quoted" \ and	tabbed'::"text", "j" "jsonb" DEFAULT '{"a": [1.10]}'::"jsonb", "a" integer[] DEFAULT '{1,NULL}'::integer[], "w" timestamp with time zone DEFAULT "now" ()) [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "tables"."defaults" ("id" bigint DEFAULT "nextval" ('"tables"."shared_numbers"'::"regclass") NOT NULL, "t" "text" DEFAULT "tables"."default_text" (), "q" "text" DEFAULT 'it''s "quoted" \ and	tabbed'::"text", "j" "jsonb" DEFAULT '{"a": [1.1]}'::"jsonb", "a" integer[] DEFAULT '{1,NULL}'::integer[], "w" timestamp with time zone DEFAULT "now" ()) [access method "heap"]

-- @plant another comment
comment on table texts.texts is 'another';
-- @found schema: on the source only: COMMENT ON TABLE "texts"."texts" IS 'tab	 newline\n backslash \ quote '' marker \.'
-- @found schema: on the target only: COMMENT ON TABLE "texts"."texts" IS 'another'

-- @plant a comment is lost
comment on column kinds.complex.r is null;
-- @found schema: on the source only: COMMENT ON COLUMN "kinds"."complex"."r" IS 'the real part'

-- @plant a comment more
comment on function routines.defined() is 'more';
-- @found schema: on the target only: COMMENT ON FUNCTION "routines"."defined" () IS 'more'

-- @plant another body
create or replace function routines.poly(anyelement, anyarray) returns anyelement language sql immutable as 'select  $1';
-- @found schema: on the source only: CREATE FUNCTION "routines"."poly" ("anyelement", "anyarray") RETURNS "anyelement" LANGUAGE "sql" IMMUTABLE AS $_$select $1$_$
-- @found schema: on the target only: CREATE FUNCTION "routines"."poly" ("anyelement", "anyarray") RETURNS "anyelement" LANGUAGE "sql" IMMUTABLE AS $_$select  $1$_$

-- @plant another volatility
alter function routines.plain(text) stable;
-- @found schema: on the source only: CREATE FUNCTION "routines"."plain" ("text") RETURNS "text" LANGUAGE "sql" IMMUTABLE AS $_$select $1$_$
-- @found schema: on the target only: CREATE FUNCTION "routines"."plain" ("text") RETURNS "text" LANGUAGE "sql" STABLE AS $_$select $1$_$

-- @plant another view
create or replace view views.one_table as select base.id, base.v as renamed, base.n + 1 as "sum of ""n""" from views.base where base.id > 1 order by base.v;
-- @found schema: on the source only: CREATE VIEW "views"."one_table" AS SELECT "base"."id", "base"."v" AS "renamed", ("base"."n" + (1)::numeric) AS "sum of ""n""" FROM "views"."base" WHERE ("base"."id" > 0) ORDER BY "base"."v"
-- @found schema: on the target only: CREATE VIEW "views"."one_table" AS SELECT "id", "v" AS "renamed", ("n" + (1)::numeric) AS "sum of ""n""" FROM "views"."base" WHERE ("id" > 1) ORDER BY "v"

-- @plant another rule
create or replace rule also_log as on insert to tables.ruled do also insert into tables.rule_log values (new.id, 'other');
-- @found schema: on the source only: CREATE RULE "also_log" AS ON INSERT TO "tables"."ruled" DO INSERT INTO "tables"."rule_log" ("id", "what") VALUES ("new"."id", 'inserted; \ -- "'::"text")
-- @found schema: on the target only: CREATE RULE "also_log" AS ON INSERT TO "tables"."ruled" DO INSERT INTO "tables"."rule_log" ("id", "what") VALUES ("new"."id", 'other'::"text")

-- @plant another policy
alter policy narrow on tables.secured using (id < 1001);
-- @found catalog: policy "narrow" on "tables"."secured": definition is `false public using ("id" < 1000) check` on the source, `false public using ("id" < 1001) check` on the target
-- @found schema: on the source only: CREATE POLICY "narrow" ON "tables"."secured" AS RESTRICTIVE USING (("id" < 1000))
-- @found schema: on the target only: CREATE POLICY "narrow" ON "tables"."secured" AS RESTRICTIVE USING (("id" < 1001))

-- @plant a trigger is lost
drop trigger by_statement on tables.triggered;
-- @found catalog: trigger "by_statement" on "tables"."triggered" is on the source only
-- @found schema: on the source only: CREATE TRIGGER "by_statement" AFTER DELETE OR TRUNCATE ON "tables"."triggered" FOR EACH STATEMENT EXECUTE FUNCTION "tables"."do_nothing" ()

-- @plant a label more
alter type kinds.traffic add value 'amber';
-- @found schema: on the source only: CREATE TYPE "kinds"."traffic" AS ENUM ('red', 'green')
-- @found schema: on the target only: CREATE TYPE "kinds"."traffic" AS ENUM ('red', 'green', 'amber')

-- @plant a domain's check is lost
alter domain kinds.positive drop constraint positive_check;
-- @found catalog: constraint "positive_check" on "kinds"."positive" is on the source only
-- @found schema: on the source only: CREATE DOMAIN "kinds"."positive" AS integer DEFAULT 1 CONSTRAINT "positive_check" CHECK ((VALUE > 0))
-- @found schema: on the source only: COMMENT ON CONSTRAINT "positive_check" ON DOMAIN "kinds"."positive" IS 'the check of a domain'
-- @found schema: on the target only: CREATE DOMAIN "kinds"."positive" AS integer DEFAULT 1

-- @plant another owner of a table
alter table tables.secured owner to pghaul_reader;
-- @found catalog: index "tables"."secured_pkey": owner is `pghaul_owner` on the source, `pghaul_reader` on the target
-- @found catalog: relation "tables"."secured": owner is `pghaul_owner` on the source, `pghaul_reader` on the target
-- @found catalog: relation "tables"."secured": privileges is `pghaul_owner=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner` on the source, `pghaul_reader=DELETE,INSERT,MAINTAIN,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_reader` on the target
-- @found schema: on the source only: ALTER TABLE "tables"."secured" OWNER TO "pghaul_owner"
-- @found schema: on the target only: ALTER TABLE "tables"."secured" OWNER TO "pghaul_reader"

-- @plant another owner of a function
alter function routines.defined() owner to pghaul_reader;
-- @found catalog: function "routines"."defined"(): owner is `pghaul_owner` on the source, `pghaul_reader` on the target
-- @found catalog: function "routines"."defined"(): privileges is `pghaul_owner=EXECUTE/pghaul_owner; public=EXECUTE/pghaul_owner` on the source, `pghaul_reader=EXECUTE/pghaul_reader; public=EXECUTE/pghaul_reader` on the target
-- @found schema: on the source only: ALTER FUNCTION "routines"."defined" () OWNER TO "pghaul_owner"
-- @found schema: on the target only: ALTER FUNCTION "routines"."defined" () OWNER TO "pghaul_reader"

-- @plant a privilege is lost
revoke select on privileges.granted from public;
-- 🐘; drop=TRIGGER,TRUNCATE/pghaul_owner; pghaul_admin=SELECT/pghaul_reader; pghaul_owner=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner; pghaul_reader=INSERT*,SELECT*/pghaul_owner; pghaul_writer=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner; public=SELECT/pghaul_owner` on the source, `pghaul "evil" \role
-- 🐘; drop=TRIGGER,TRUNCATE/pghaul_owner; pghaul_admin=SELECT/pghaul_reader; pghaul_owner=DELETE,INSERT,MAINTAIN,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner; pghaul_reader=INSERT*,SELECT*/pghaul_owner; pghaul_writer=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner` on the target
-- @found catalog: column "privileges"."granted"."secret": privileges is `public=SELECT/pghaul_owner` on the source, nothing on the target
-- @found catalog: relation "privileges"."granted": privileges is `pghaul "evil" \role\n-- 🐘; drop=TRIGGER,TRUNCATE/pghaul_owner; pghaul_admin=SELECT/pghaul_reader; pghaul_owner=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner; pghaul_reader=INSERT*,SELECT*/pghaul_owner; pghaul_writer=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner; public=SELECT/pghaul_owner` on the source, `pghaul "evil" \role\n-- 🐘; drop=TRIGGER,TRUNCATE/pghaul_owner; pghaul_admin=SELECT/pghaul_reader; pghaul_owner=DELETE,INSERT,MAINTAIN,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner; pghaul_reader=INSERT*,SELECT*/pghaul_owner; pghaul_writer=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/pghaul_owner` on the target
-- @found schema: on the source only: GRANT SELECT ON TABLE "privileges"."granted" TO PUBLIC
-- @found schema: on the source only: GRANT SELECT ("secret") ON TABLE "privileges"."granted" TO PUBLIC

-- @plant a privilege more
grant insert on privileges.seen to pghaul_writer;
-- @found catalog: relation "privileges"."seen": privileges is `pghaul_reader=SELECT/postgres; postgres=DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/postgres; public=SELECT/postgres` on the source, `pghaul_reader=SELECT/postgres; pghaul_writer=INSERT/postgres; postgres=DELETE,INSERT,MAINTAIN,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE/postgres; public=SELECT/postgres` on the target
-- @found schema: on the target only: GRANT INSERT ON TABLE "privileges"."seen" TO "pghaul_writer"

-- @plant the right to pass a privilege on
grant update on sequence privileges.counted to pghaul_writer with grant option;
-- @found catalog: sequence "privileges"."counted": privileges is `pghaul_admin=UPDATE*/postgres; pghaul_writer=SELECT,USAGE/postgres; postgres=SELECT,UPDATE,USAGE/postgres` on the source, `pghaul_admin=UPDATE*/postgres; pghaul_writer=SELECT,UPDATE*,USAGE/postgres; postgres=SELECT,UPDATE,USAGE/postgres` on the target
-- @found schema: on the target only: GRANT UPDATE ON SEQUENCE "privileges"."counted" TO "pghaul_writer" WITH GRANT OPTION

-- @plant a privilege of a column
revoke insert (id) on privileges.granted from public;
-- @found catalog: column "privileges"."granted"."id": privileges is `pghaul_admin=REFERENCES*,UPDATE*/pghaul_owner; public=INSERT/pghaul_owner` on the source, `pghaul_admin=REFERENCES*,UPDATE*/pghaul_owner` on the target
-- @found schema: on the source only: GRANT INSERT ("id") ON TABLE "privileges"."granted" TO PUBLIC

-- @plant default privileges are lost
alter default privileges for role pghaul_owner revoke select on tables from pghaul_reader;
-- @found catalog: default privileges of pghaul_owner in every schema on r is on the source only
-- @found schema: on the source only: ALTER DEFAULT PRIVILEGES FOR ROLE "pghaul_owner" GRANT SELECT ON TABLES TO "pghaul_reader"

-- @plant a sequence's step
alter sequence sequences.called increment by 2;
-- @found schema: on the source only: CREATE SEQUENCE "sequences"."called" START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1
-- @found schema: on the target only: CREATE SEQUENCE "sequences"."called" START WITH 1 INCREMENT BY 2 NO MINVALUE NO MAXVALUE CACHE 1

-- @plant extended statistics are lost
drop statistics statistics.one_expression;
-- @found catalog: statistics "statistics"."one_expression" is on the source only
-- @found schema: on the source only: CREATE STATISTICS "statistics"."one_expression" ON ("n" * 2::numeric) FROM "indexes"."btree"
-- @found schema: on the source only: ALTER STATISTICS "statistics"."one_expression" OWNER TO "postgres"

-- @plant a text search mapping
alter text search configuration routines.searched drop mapping for url;
-- @found schema: on the source only: ALTER TEXT SEARCH CONFIGURATION "routines"."searched" ADD MAPPING FOR "url" WITH "simple"

-- @plant another bound of a partition
alter table partitions.by_list detach partition partitions.by_list_joined;
alter table partitions.by_list attach partition partitions.by_list_joined for values in ('d', 'e');
-- @found catalog: relation "partitions"."by_list_joined": partition bound is `FOR VALUES IN ('d')` on the source, `FOR VALUES IN ('d', 'e')` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "partitions"."by_list" ATTACH PARTITION "partitions"."by_list_joined" FOR VALUES IN ('d')
-- @found schema: on the target only: ALTER TABLE ONLY "partitions"."by_list" ATTACH PARTITION "partitions"."by_list_joined" FOR VALUES IN ('d', 'e')

-- @plant an index of a partition tree is lost
drop index partitions.indexed_v;
-- @found catalog: index "partitions"."indexed_1_a_v_idx" is on the source only
-- @found catalog: index "partitions"."indexed_1_b_v_idx" is on the source only
-- @found catalog: index "partitions"."indexed_1_v_idx" is on the source only
-- @found catalog: index "partitions"."indexed_2_v_first" is on the source only
-- @found catalog: index "partitions"."indexed_v" is on the source only
-- @found schema: on the source only: CREATE INDEX "indexed_v" ON ONLY "partitions"."indexed" USING "btree" ("v")
-- @found schema: on the source only: COMMENT ON INDEX "partitions"."indexed_v" IS 'an index of the whole tree'
-- @found schema: on the source only: CREATE INDEX "indexed_1_v_idx" ON ONLY "partitions"."indexed_1" USING "btree" ("v")
-- @found schema: on the source only: CREATE INDEX "indexed_1_a_v_idx" ON "partitions"."indexed_1_a" USING "btree" ("v")
-- @found schema: on the source only: CREATE INDEX "indexed_1_b_v_idx" ON "partitions"."indexed_1_b" USING "btree" ("v")
-- @found schema: on the source only: CREATE INDEX "indexed_2_v_first" ON "partitions"."indexed_2" USING "btree" ("v")
-- @found schema: on the source only: ALTER INDEX "partitions"."indexed_1_v_idx" ATTACH PARTITION "partitions"."indexed_1_a_v_idx"
-- @found schema: on the source only: ALTER INDEX "partitions"."indexed_1_v_idx" ATTACH PARTITION "partitions"."indexed_1_b_v_idx"
-- @found schema: on the source only: ALTER INDEX "partitions"."indexed_v" ATTACH PARTITION "partitions"."indexed_1_v_idx"
-- @found schema: on the source only: ALTER INDEX "partitions"."indexed_v" ATTACH PARTITION "partitions"."indexed_2_v_first"

-- @plant an extension more
create extension pgcrypto;
-- @found catalog: extension "pgcrypto" is on the target only
-- @found schema: on the target only: COMMENT ON EXTENSION "pgcrypto" IS 'cryptographic functions'
-- @found schema: on the target only: CREATE EXTENSION IF NOT EXISTS "pgcrypto" WITH SCHEMA "public"

-- @plant an extension in another schema
alter extension fuzzystrmatch set schema public;
-- @found catalog: extension "fuzzystrmatch": schema is `extensions` on the source, `public` on the target
-- @found schema: on the source only: CREATE EXTENSION IF NOT EXISTS "fuzzystrmatch" WITH SCHEMA "extensions"
-- @found schema: on the target only: CREATE EXTENSION IF NOT EXISTS "fuzzystrmatch" WITH SCHEMA "public"

-- @plant another option of a user mapping
alter user mapping for pghaul_reader server pghaul_server options (set password 'other');
-- @found schema: on the source only: CREATE USER MAPPING FOR "pghaul_reader" SERVER "pghaul_server" OPTIONS ("password" 'reader''s secret')
-- @found schema: on the target only: CREATE USER MAPPING FOR "pghaul_reader" SERVER "pghaul_server" OPTIONS ("password" 'other')

-- @plant an event trigger is lost
drop event trigger pghaul_on_start;
-- @found catalog: event trigger "pghaul_on_start" is on the source only
-- @found schema: on the source only: CREATE EVENT TRIGGER "pghaul_on_start" ON "ddl_command_start" WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION "privileged"."on_event" ()
-- @found schema: on the source only: ALTER EVENT TRIGGER "pghaul_on_start" ENABLE ALWAYS
-- @found schema: on the source only: ALTER EVENT TRIGGER "pghaul_on_start" OWNER TO "postgres"
