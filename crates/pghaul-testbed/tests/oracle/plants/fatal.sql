-- Tables, columns and large objects that are missing: no report but an error, which names them and
-- everything else that differs.

-- @plant a table is lost
drop table numbers.money;
-- @found missing: numbers.money is missing on the target
-- @found catalog: constraint "money_pkey" on "numbers"."money" is on the source only
-- @found catalog: index "numbers"."money_pkey" is on the source only
-- @found catalog: relation "numbers"."money" is on the source only
-- @found schema: on the source only: CREATE TABLE "numbers"."money" ("id" integer NOT NULL, "v" "money") [access method "heap"]
-- @found schema: on the source only: ALTER TABLE "numbers"."money" OWNER TO "postgres"
-- @found schema: on the source only: ALTER TABLE ONLY "numbers"."money" ADD CONSTRAINT "money_pkey" PRIMARY KEY ("id")

-- @plant a column is lost
alter table texts.bytes drop column v;
-- @found missing: texts.bytes lacks columns on the target: v
-- @found catalog: column "texts"."bytes"."v" is on the source only
-- @found schema: on the source only: CREATE TABLE "texts"."bytes" ("id" integer NOT NULL, "v" "bytea") [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "texts"."bytes" ("id" integer NOT NULL) [access method "heap"]

-- @plant a leaf is lost
drop table partitions.by_list_null;
-- @found missing: partitions.by_list_null is missing on the target
-- @found catalog: relation "partitions"."by_list_null" is on the source only
-- @found schema: on the source only: CREATE TABLE "partitions"."by_list_null" ("id" integer, "region" "text", "v" "text") [access method "heap"]
-- @found schema: on the source only: ALTER TABLE "partitions"."by_list_null" OWNER TO "postgres"
-- @found schema: on the source only: ALTER TABLE ONLY "partitions"."by_list" ATTACH PARTITION "partitions"."by_list_null" FOR VALUES IN (NULL, 'it''s "c" \')

-- @plant a table became a view
drop table texts.one_byte_char;
create view texts.one_byte_char as select 1 as id, 'a'::"char" as v;
-- @found missing: texts.one_byte_char is missing on the target
-- @found catalog: column "texts"."one_byte_char"."id": not null is `true` on the source, `false` on the target
-- @found catalog: constraint "one_byte_char_pkey" on "texts"."one_byte_char" is on the source only
-- @found catalog: index "texts"."one_byte_char_pkey" is on the source only
-- @found catalog: relation "texts"."one_byte_char": access method is `heap` on the source, nothing on the target
-- @found catalog: relation "texts"."one_byte_char": kind is `r` on the source, `v` on the target
-- @found catalog: relation "texts"."one_byte_char": replica identity is `d` on the source, `n` on the target
-- @found schema: on the source only: CREATE TABLE "texts"."one_byte_char" ("id" integer NOT NULL, "v" "char") [access method "heap"]
-- @found schema: on the source only: ALTER TABLE "texts"."one_byte_char" OWNER TO "postgres"
-- @found schema: on the source only: ALTER TABLE ONLY "texts"."one_byte_char" ADD CONSTRAINT "one_byte_char_pkey" PRIMARY KEY ("id")
-- @found schema: on the target only: ALTER VIEW "texts"."one_byte_char" OWNER TO "postgres"
-- @found schema: on the target only: CREATE VIEW "texts"."one_byte_char" AS SELECT 1 AS "id", 'a'::"char" AS "v"

-- @plant a materialized view was not filled
refresh materialized view views.over_grouped_key with no data;
-- @found missing: views.over_grouped_key is not populated on the target
-- @found catalog: relation "views"."over_grouped_key": populated is `true` on the source, `false` on the target

-- @plant a sequence is lost
drop sequence sequences.downward;
-- @found missing: sequences.downward is missing on the target
-- @found catalog: sequence "sequences"."downward" is on the source only
-- @found schema: on the source only: CREATE SEQUENCE "sequences"."downward" START WITH 10 INCREMENT BY - 3 MINVALUE - 100 MAXVALUE 100 CACHE 20 CYCLE
-- @found schema: on the source only: ALTER SEQUENCE "sequences"."downward" OWNER TO "postgres"

-- @plant a large object is lost
select lo_unlink(900005);
-- @found missing: large object 900005 is missing on the target
-- @found catalog: large object 900005 is on the source only
