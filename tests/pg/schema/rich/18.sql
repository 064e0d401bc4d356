-- What 18 added.
create table app.not_nulls (a int constraint "A has a name" not null, b int not null no inherit, c int);
alter table app.not_nulls add constraint c_later not null c not valid;
create table app.virtual (a int, b int generated always as (a * 2) virtual);
create table app.parted_fk (a int) partition by list (a);
alter table app.parted_fk add constraint parted_fk_late foreign key (a) references app.orders not valid;
alter table app.parent add constraint a_there not null a;
create table app.not_enforced (a int references app.orders not enforced, b int, constraint b_check check (b > 0) not enforced);
create table app.periods (id int4range, during daterange, constraint periods_key unique (id, during without overlaps));
create table app.not_null_child (d int) inherits (app.not_nulls);
alter table app.not_null_child add constraint b_is_there not null b;
comment on constraint "A has a name" on app.not_nulls is 'a comment';
comment on constraint c_later on app.not_nulls is 'a comment';
create domain app.named_domain as int constraint named_there not null;
