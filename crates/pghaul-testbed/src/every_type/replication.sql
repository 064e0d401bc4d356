-- Publications and a subscription.

-- @object publications since 10
-- Publications of tables, of operations, of nothing.
create schema replication;
create table replication.published (id integer primary key, v text, w integer);
insert into replication.published values (1, 'x', 2);
create publication pghaul_some for table replication.published with (publish = 'insert, delete');
create publication "pghaul ""evil"" publication; --";
comment on publication pghaul_some is 'a publication';

-- @object all_tables since 10 superuser
-- A publication of all tables, under which tables without a key cannot be updated.
create publication pghaul_all for all tables;

-- @object through_root since 13
-- A publication through the root of partitions.
create publication pghaul_root for table replication.published with (publish_via_partition_root = true);

-- @object filters since 15
-- Row filters and column lists.
create publication pghaul_filtered for table replication.published (id, v) where (id > 0 and v <> E'it''s \\');

-- @object schemas since 15 superuser
-- A publication of all tables of a schema.
create publication pghaul_schemas for tables in schema replication;

-- @object generated since 18
-- A publication with generated columns.
create publication pghaul_generated for table replication.published with (publish_generated_columns = stored);

-- @object subscription since 10 superuser
-- A subscription that never connects, with a password in it. A database with a subscription cannot be dropped.
create subscription pghaul_subscription connection 'host=192.0.2.1 dbname=x password=''a secret''' publication a, "b ""c""" with (connect = false, enabled = false, slot_name = none);
comment on subscription pghaul_subscription is 'a subscription';
