-- What 13 added.
create publication pghaul_root for table app.ranges with (publish_via_partition_root = true);
create statistics app.targeted on name, born from app.people;
alter statistics app.targeted set statistics 55;
create extension if not exists plpgsql;
