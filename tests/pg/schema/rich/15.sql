-- What 15 added.
create table app.nulls (a int, b int, constraint nulls_unique unique nulls not distinct (a) include (b));
create unique index nulls_index on app.nulls (b) nulls not distinct;
create view app.invoker with (security_invoker = true) as select 1 as a;
create publication pghaul_rows for table app.people (id, name) where (id > 5);
create publication pghaul_schemas for table app.parent, tables in schema hidden;
create table app.twos (a int, b int, primary key (a, b));
create table app.set_some (a int, b int, foreign key (a, b) references app.twos on delete set null (b));
