-- What 17 added.
grant maintain on app.orders to pghaul_owner_b;
grant select, maintain on app.parent to pghaul_reader;
grant maintain on app.child to pghaul_reader with grant option;
revoke maintain on app.orders from pghaul_owner_a;
alter default privileges for role pghaul_owner_a in schema app grant select, maintain on tables to pghaul_owner_b;
alter default privileges for role pghaul_owner_a in schema hidden grant maintain on tables to pghaul_owner_b;
create table app.parted_method (a int) partition by list (a) using heap2;
create table app.parted_method_1 partition of app.parted_method for values in (1);
create table app.identity_parts (a int, b int generated always as identity) partition by list (a);
create collation app.builtin (provider = builtin, locale = 'C.UTF-8');
