-- What 12 added.
create table app.generated (a int, b int generated always as (a * 2) stored);
create access method heap2 type table handler heap_tableam_handler;
create table app.other_method (a int) using heap2;
create materialized view app.other_method_view using heap2 as select 1 as a;
create statistics app.mcv (mcv) on name, mail from app.people;
create table app.refers (a int references app.hashes);
