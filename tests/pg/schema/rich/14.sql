-- What 14 added.
create table app.compressed (a text compression pglz, b text);
create function app.atomic(a int) returns int language sql begin atomic select a; select case when a > 1 then 2 end; end;
create procedure app.atomic_proc(inout a int) language sql begin atomic insert into app.fast values (a); select 1; end;
create statistics app.expr on (lower(name)), mail from app.people;
create type app.multi as range (subtype = int4, multirange_type_name = app.many);
create table app.subscripted (a int[] check ((a)[1] > 0));
create view app.searched as with recursive t(n) as (select 1 union all select n + 1 from t where n < 3)
    search depth first by n set o cycle n set c using p select n, c from t;
create index people_brin on app.people using brin (born date_minmax_multi_ops);
