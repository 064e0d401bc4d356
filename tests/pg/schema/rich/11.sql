-- What 11 added.
create procedure app.proceed(a int) language plpgsql as 'begin commit; end';
alter procedure app.proceed(int) owner to pghaul_owner_b;
create table app.hashes (a int not null, b int, primary key (a)) partition by hash (a);
create table app.hashes_0 partition of app.hashes for values with (modulus 2, remainder 0);
create table app.hashes_1 partition of app.hashes for values with (modulus 2, remainder 1);
create index hashes_b on app.hashes (b) include (a);
create index hashes_only on only app.hashes (b, a);
create unique index ranges_ab on app.ranges (a, b);
create table app.ranges_default partition of app.ranges default;
alter table app.hashes add constraint hashes_b_fkey foreign key (b) references app.orders (id);
create trigger hashes_touch after insert on app.hashes for each row execute procedure app.touch();
alter table app.hashes_0 disable trigger hashes_touch;
create domain app.pairs as app.pair check ((value).a > 0);
create table app.fast (a int);
alter table app.fast add column b text default 'there';
create unique index fast_inc on app.fast (a) include (b);
alter table app.fast add constraint fast_inc unique using index fast_inc;
alter index app.people_part alter column 1 set statistics 99;
