-- Changes that schema dumps do not show, or only in passing.

-- @plant an index of a partition tree is not valid
update pg_catalog.pg_index set indisvalid = false where indexrelid = 'partitions.indexed_unique'::regclass;
-- @found catalog: index "partitions"."indexed_unique": valid is `true` on the source, `false` on the target

-- @plant an index is not ready
update pg_catalog.pg_index set indisready = false where indexrelid = 'indexes.gin_a'::regclass;
-- @found catalog: index "indexes"."gin_a": ready is `true` on the source, `false` on the target
-- @found schema: on the source only: CREATE INDEX "gin_a" ON "indexes"."gin" USING "gin" ("a") WITH ("fastupdate" = 'off')

-- @plant a constraint that was never validated claims to be
update pg_catalog.pg_constraint set convalidated = true where conname = 'orphan_stays';
-- @found catalog: constraint "orphan_stays" on "constraints"."not_valid": definition is `FOREIGN KEY ("parent") REFERENCES "constraints"."parents"("id") NOT VALID` on the source, `FOREIGN KEY ("parent") REFERENCES "constraints"."parents"("id")` on the target
-- @found catalog: constraint "orphan_stays" on "constraints"."not_valid": validated is `false` on the source, `true` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "constraints"."not_valid" ADD CONSTRAINT "orphan_stays" FOREIGN KEY ("parent") REFERENCES "constraints"."parents" ("id") NOT VALID
-- @found schema: on the target only: ALTER TABLE ONLY "constraints"."not_valid" ADD CONSTRAINT "orphan_stays" FOREIGN KEY ("parent") REFERENCES "constraints"."parents" ("id")

-- @plant a constraint that was validated is not any more
update pg_catalog.pg_constraint set convalidated = false where conname = 'w_validated';
-- @found catalog: constraint "w_validated" on "constraints"."not_valid": definition is `CHECK (("w" >= 0))` on the source, `CHECK (("w" >= 0)) NOT VALID` on the target
-- @found catalog: constraint "w_validated" on "constraints"."not_valid": validated is `true` on the source, `false` on the target
-- @found schema: on the source only: CREATE TABLE "constraints"."not_valid" ("id" integer NOT NULL, "parent" integer, "v" integer, "w" integer, CONSTRAINT "w_validated" CHECK (("w" > = 0))) [access method "heap"]
-- @found schema: on the target only: ALTER TABLE "constraints"."not_valid" ADD CONSTRAINT "w_validated" CHECK (("w" > = 0)) NOT VALID
-- @found schema: on the target only: CREATE TABLE "constraints"."not_valid" ("id" integer NOT NULL, "parent" integer, "v" integer, "w" integer) [access method "heap"]

-- @plant a foreign key that nobody watches
alter table constraints.egg disable trigger all;
-- @found catalog: constraint "chicken_egg" on "constraints"."chicken": triggers is `O` on the source, `D O` on the target
-- @found catalog: constraint "egg_chicken_fkey" on "constraints"."egg": triggers is `O` on the source, `D O` on the target

-- @plant a trigger that was off is on
alter table tables.triggered enable trigger switched_off;
-- @found catalog: trigger "switched_off" on "tables"."triggered": state is `D` on the source, `O` on the target
-- @found schema: on the source only: ALTER TABLE "tables"."triggered" DISABLE TRIGGER "switched_off"

-- @plant a trigger of a leaf that was off is on
alter table partitions.indexed_2 enable trigger after_of_the_tree;
-- @found catalog: trigger "after_of_the_tree" on "partitions"."indexed_2": state is `D` on the source, `O` on the target
-- @found schema: on the source only: ALTER TABLE "partitions"."indexed_2" DISABLE TRIGGER "after_of_the_tree"

-- @plant an event trigger that was off is on
alter event trigger pghaul_on_drop enable;
-- @found catalog: event trigger "pghaul_on_drop": state is `D` on the source, `O` on the target
-- @found schema: on the source only: ALTER EVENT TRIGGER "pghaul_on_drop" DISABLE

-- @plant a rule that was off is on
alter table tables.diverted enable rule sleeping;
-- @found catalog: rule "sleeping" on "tables"."diverted": state is `D` on the source, `O` on the target
-- @found schema: on the source only: ALTER TABLE "tables"."diverted" DISABLE RULE "sleeping"

-- @plant storage
alter table tables.storage alter column external_ set storage extended;
-- @found catalog: column "tables"."storage"."external_": storage is `e` on the source, `x` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."storage" ALTER COLUMN "external_" SET STORAGE EXTERNAL

-- @plant storage of a type's default
alter table texts.wide alter column raw set storage external;
-- @found catalog: column "texts"."wide"."raw": storage is `x` on the source, `e` on the target
-- @found schema: on the target only: ALTER TABLE ONLY "texts"."wide" ALTER COLUMN "raw" SET STORAGE EXTERNAL

-- @plant compression
alter table tables.compression alter column p set compression default;
-- @found catalog: column "tables"."compression"."p": compression is `p` on the source, `` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."compression" ALTER COLUMN "p" SET COMPRESSION pglz

-- @plant a statistics target
alter table tables.storage alter column stat set statistics 251;
-- @found catalog: column "tables"."storage"."stat": statistics target is `250` on the source, `251` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."storage" ALTER COLUMN "stat" SET STATISTICS 250
-- @found schema: on the target only: ALTER TABLE ONLY "tables"."storage" ALTER COLUMN "stat" SET STATISTICS 251

-- @plant a statistics target of an index
alter index indexes.expression_statistics alter column 1 set statistics 78;
-- @found catalog: column "indexes"."expression_statistics".1: statistics target is `77` on the source, `78` on the target
-- @found schema: on the source only: ALTER INDEX "indexes"."expression_statistics" ALTER COLUMN 1 SET STATISTICS 77
-- @found schema: on the target only: ALTER INDEX "indexes"."expression_statistics" ALTER COLUMN 1 SET STATISTICS 78

-- @plant a target of extended statistics
alter statistics statistics.two set statistics 56;
-- @found catalog: statistics "statistics"."two": target is `55` on the source, `56` on the target
-- @found schema: on the source only: ALTER STATISTICS "statistics"."two" SET STATISTICS 55
-- @found schema: on the target only: ALTER STATISTICS "statistics"."two" SET STATISTICS 56

-- @plant an option of a column
alter table tables.storage alter column extended_ reset (n_distinct);
-- @found catalog: column "tables"."storage"."extended_": options is `n_distinct=-0.5` on the source, nothing on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."storage" ALTER COLUMN "extended_" SET (n_distinct = - 0.5)

-- @plant an option of a table
alter table tables.many_pages set (fillfactor = 61);
-- @found catalog: relation "tables"."many_pages": options is `fillfactor=60` on the source, `fillfactor=61` on the target
-- @found schema: on the source only: CREATE TABLE "tables"."many_pages" ("id" integer NOT NULL, "v" "text", "filler" character (600)) WITH ("fillfactor" = '60') [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "tables"."many_pages" ("id" integer NOT NULL, "v" "text", "filler" character (600)) WITH ("fillfactor" = '61') [access method "heap"]

-- @plant an option of a TOAST table
alter table tables.storage set (toast.autovacuum_enabled = true);
-- @found catalog: relation "tables"."storage": toast options is `autovacuum_enabled=false` on the source, `autovacuum_enabled=true` on the target
-- @found schema: on the source only: CREATE TABLE "tables"."storage" ("id" integer NOT NULL, "plain_" "text", "external_" "text", "main_" "text", "extended_" "bytea", "stat" integer) WITH ("fillfactor" = '70', "autovacuum_enabled" = 'false', "autovacuum_vacuum_scale_factor" = '0.05', "user_catalog_table" = 'false', toast."autovacuum_enabled" = 'false') [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "tables"."storage" ("id" integer NOT NULL, "plain_" "text", "external_" "text", "main_" "text", "extended_" "bytea", "stat" integer) WITH ("fillfactor" = '70', "autovacuum_enabled" = 'false', "autovacuum_vacuum_scale_factor" = '0.05', "user_catalog_table" = 'false', toast."autovacuum_enabled" = 'true') [access method "heap"]

-- @plant an option of an index
alter index indexes.gin_v set (gin_pending_list_limit = 129);
-- @found catalog: index "indexes"."gin_v": definition is `CREATE INDEX "gin_v" ON "indexes"."gin" USING "gin" ("v") WITH ("gin_pending_list_limit"='128')` on the source, `CREATE INDEX "gin_v" ON "indexes"."gin" USING "gin" ("v") WITH ("gin_pending_list_limit"='129')` on the target
-- @found catalog: index "indexes"."gin_v": options is `gin_pending_list_limit=128` on the source, `gin_pending_list_limit=129` on the target
-- @found schema: on the source only: CREATE INDEX "gin_v" ON "indexes"."gin" USING "gin" ("v") WITH ("gin_pending_list_limit" = '128')
-- @found schema: on the target only: CREATE INDEX "gin_v" ON "indexes"."gin" USING "gin" ("v") WITH ("gin_pending_list_limit" = '129')

-- @plant an unlogged table became logged
alter table tables.unlogged set logged;
-- @found catalog: index "tables"."unlogged_pkey": persistence is `u` on the source, `p` on the target
-- @found catalog: relation "tables"."unlogged": persistence is `u` on the source, `p` on the target
-- @found schema: on the source only: CREATE UNLOGGED TABLE "tables"."unlogged" ("id" integer NOT NULL, "v" "text") [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "tables"."unlogged" ("id" integer NOT NULL, "v" "text") [access method "heap"]

-- @plant a replica identity
alter table tables.identity_full replica identity default;
-- @found catalog: relation "tables"."identity_full": replica identity is `f` on the source, `d` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."identity_full" REPLICA IDENTITY FULL

-- @plant the index of a replica identity
alter table tables.identity_index replica identity using index identity_index_pkey;
-- @found catalog: index "tables"."identity_by_this": replica identity is `true` on the source, `false` on the target
-- @found catalog: index "tables"."identity_index_pkey": replica identity is `false` on the source, `true` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."identity_index" REPLICA IDENTITY USING INDEX "identity_by_this"
-- @found schema: on the target only: ALTER TABLE ONLY "tables"."identity_index" REPLICA IDENTITY USING INDEX "identity_index_pkey"

-- @plant a CLUSTER mark
alter table tables.clustered set without cluster;
-- @found catalog: index "tables"."clustered_by_this": clustered is `true` on the source, `false` on the target
-- @found schema: on the source only: ALTER TABLE "tables"."clustered" CLUSTER ON "clustered_by_this"

-- @plant row security is not forced
alter table tables.secured no force row level security;
-- @found catalog: relation "tables"."secured": row security is `true true` on the source, `true false` on the target
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."secured" FORCE ROW LEVEL SECURITY

-- @plant an owner of a large object
alter large object 900002 owner to pghaul_reader;
-- @found catalog: large object 900002: owner is `pghaul_owner` on the source, `pghaul_reader` on the target
-- @found catalog: large object 900002: privileges is `pghaul_owner=SELECT/pghaul_owner; pghaul_owner=UPDATE/pghaul_owner; pghaul_reader=SELECT/pghaul_owner` on the source, `pghaul_reader=SELECT/pghaul_reader; pghaul_reader=UPDATE/pghaul_reader` on the target

-- @plant a privilege on a large object
revoke update on large object 900003 from pghaul_writer;
-- 🐘; drop=SELECT/pghaul "evil" \role
-- 🐘; drop; pghaul "evil" \role
-- 🐘; drop=UPDATE/pghaul "evil" \role
-- 🐘; drop; pghaul_writer=SELECT*/pghaul "evil" \role
-- 🐘; drop; pghaul_writer=UPDATE*/pghaul "evil" \role
-- 🐘; drop` on the source, `pghaul "evil" \role
-- 🐘; drop=SELECT/pghaul "evil" \role
-- 🐘; drop; pghaul "evil" \role
-- 🐘; drop=UPDATE/pghaul "evil" \role
-- 🐘; drop; pghaul_writer=SELECT*/pghaul "evil" \role
-- 🐘; drop` on the target
-- @found catalog: large object 900003: privileges is `pghaul "evil" \role\n-- 🐘; drop=SELECT/pghaul "evil" \role\n-- 🐘; drop; pghaul "evil" \role\n-- 🐘; drop=UPDATE/pghaul "evil" \role\n-- 🐘; drop; pghaul_writer=SELECT*/pghaul "evil" \role\n-- 🐘; drop; pghaul_writer=UPDATE*/pghaul "evil" \role\n-- 🐘; drop` on the source, `pghaul "evil" \role\n-- 🐘; drop=SELECT/pghaul "evil" \role\n-- 🐘; drop; pghaul "evil" \role\n-- 🐘; drop=UPDATE/pghaul "evil" \role\n-- 🐘; drop; pghaul_writer=SELECT*/pghaul "evil" \role\n-- 🐘; drop` on the target

-- @plant a comment of a large object
comment on large object 900003 is null;
-- @found catalog: large object 900003: comment is `two MiB; it's \ "large"` on the source, nothing on the target

-- @plant an owner of a schema
alter schema tables owner to pghaul_reader;
-- @found catalog: schema "tables": owner is `pghaul_owner` on the source, `pghaul_reader` on the target
-- @found catalog: schema "tables": privileges is `pghaul_owner=CREATE,USAGE/pghaul_owner` on the source, `pghaul_reader=CREATE,USAGE/pghaul_reader` on the target
-- @found schema: on the source only: ALTER SCHEMA "tables" OWNER TO "pghaul_owner"
-- @found schema: on the target only: ALTER SCHEMA "tables" OWNER TO "pghaul_reader"

-- @plant an owner of a type
alter type kinds.mood owner to pghaul_reader;
-- @found catalog: type "kinds"."mood": owner is `pghaul_owner` on the source, `pghaul_reader` on the target
-- @found catalog: type "kinds"."mood": privileges is `pghaul_owner=USAGE/pghaul_owner; public=USAGE/pghaul_owner` on the source, `pghaul_reader=USAGE/pghaul_reader; public=USAGE/pghaul_reader` on the target
-- @found schema: on the source only: ALTER TYPE "kinds"."mood" OWNER TO "pghaul_owner"
-- @found schema: on the target only: ALTER TYPE "kinds"."mood" OWNER TO "pghaul_reader"

-- @plant a NOT NULL that holds only here
alter table only constraints.nn_child alter column b drop not null;
-- @found catalog: column "constraints"."nn_child"."b": not null is `true` on the source, `false` on the target
-- @found schema: on the source only: CREATE TABLE "constraints"."nn_child" (NOT NULL "b", "d" integer NOT NULL) INHERITS ("constraints"."nn_parent") [access method "heap"]
-- @found schema: on the target only: CREATE TABLE "constraints"."nn_child" ("d" integer NOT NULL) INHERITS ("constraints"."nn_parent") [access method "heap"]

-- @plant an inherited column became the child's own
alter table tables.grandchild no inherit tables.child_ab;
-- @found catalog: column "tables"."grandchild"."extra": inherited is `1` on the source, `0` on the target
-- @found catalog: column "tables"."grandchild"."extra": local is `false` on the source, `true` on the target
-- @found catalog: column "tables"."grandchild"."extra": position is nothing on the source, `6` on the target
-- @found catalog: column "tables"."grandchild"."id": inherited is `1` on the source, `0` on the target
-- @found catalog: column "tables"."grandchild"."id": local is `false` on the source, `true` on the target
-- @found catalog: column "tables"."grandchild"."id": position is nothing on the source, `1` on the target
-- @found catalog: column "tables"."grandchild"."late": inherited is `1` on the source, `0` on the target
-- @found catalog: column "tables"."grandchild"."late": local is `false` on the source, `true` on the target
-- @found catalog: column "tables"."grandchild"."late": position is nothing on the source, `4` on the target
-- @found catalog: column "tables"."grandchild"."own": position is nothing on the source, `7` on the target
-- @found catalog: column "tables"."grandchild"."shared": inherited is `1` on the source, `0` on the target
-- @found catalog: column "tables"."grandchild"."shared": local is `false` on the source, `true` on the target
-- @found catalog: column "tables"."grandchild"."shared": position is nothing on the source, `3` on the target
-- @found catalog: column "tables"."grandchild"."v": inherited is `1` on the source, `0` on the target
-- @found catalog: column "tables"."grandchild"."v": local is `false` on the source, `true` on the target
-- @found catalog: column "tables"."grandchild"."v": position is nothing on the source, `2` on the target
-- @found catalog: column "tables"."grandchild"."w": inherited is `1` on the source, `0` on the target
-- @found catalog: column "tables"."grandchild"."w": local is `false` on the source, `true` on the target
-- @found catalog: column "tables"."grandchild"."w": position is nothing on the source, `5` on the target
-- @found catalog: constraint "parent_a_id_check" on "tables"."grandchild": local is `false 1` on the source, `true 0` on the target
-- @found catalog: relation "tables"."grandchild": parents is `"tables"."child_ab"` on the source, nothing on the target
-- @found schema: on the source only: CREATE TABLE "tables"."grandchild" ("own" integer) INHERITS ("tables"."child_ab") [access method "heap"]
-- @found schema: on the source only: ALTER TABLE ONLY "tables"."grandchild" ALTER COLUMN "v" SET DEFAULT 'child'::"text"
-- @found schema: on the target only: CREATE TABLE "tables"."grandchild" ("id" integer CONSTRAINT "parent_a_id_not_null" NOT NULL, "v" "text" DEFAULT 'child'::"text", "shared" "date", "late" "text", "w" numeric, "extra" "text", "own" integer, CONSTRAINT "parent_a_id_check" CHECK (("id" > 0))) [access method "heap"]
