-- Views and materialized views, and what depends on them in circles.

-- @object schema
-- The schema of this family.
create schema views;
grant usage, create on schema views to pghaul_owner;

-- @object views
-- Views: over one table with qualified columns, joins, subqueries, WITH, windows, renamed columns, no columns.
create table views.base (id integer primary key, v text, n numeric, "order" integer);
insert into views.base values (1, 'a', 1.10, 5), (2, 'b', null, null), (3, null, 3, 4);
create view views.one_table as select base.id, base.v as renamed, base.n + 1 as "sum of ""n""" from views.base where base.id > 0 order by base.v;
create view views.joined (a, b, c) as
    select b1.id, b2.v, count(*) over (partition by b1.v order by b2.id rows between 1 preceding and current row)
    from views.base as b1 left join views.base as b2 on b1.id = b2.id and b2.v <> E'it''s \\' join lateral (select b1.n * 2 as twice) as l on true;
create view views.nested as
    with recursive counted as (select 1 as i union all select counted.i + 1 from counted where counted.i < 5)
    select counted.i, (select max(base.n) from views.base where base.id = counted.i) as m, array(select base.id from views.base) as ids,
        case when exists (select 1 from views.base where base.id = counted.i) then 'yes'::text else null end as found
    from counted;
create view views.no_columns as select from views.base;
create view views."evil ""view""
\! touch /tmp/pghaul_was_here" as select 'x'::text as "evil ""column""
\q";
create view views.over_view as select one_table.renamed, (one_table.*)::text as whole from views.one_table;
create view views.constants as select 1 as one, 'text'::text as t, null::integer as nothing, '{1,NULL}'::integer[] as a, date '2000-01-01' as d, interval '1 day' as i;
alter view views.one_table alter column renamed set default 'default of a view';
comment on view views.one_table is 'over one table';
comment on column views.one_table.renamed is 'renamed';
alter view views.joined owner to pghaul_owner;

-- @object options
-- security_barrier, check options.
create view views.barrier with (security_barrier = true) as select base.id, base.v from views.base where base.id < 100;
create view views.checked_local as select base.id, base.v, base.n, base."order" from views.base where base.id < 50 with local check option;
create view views.checked_cascaded with (security_barrier) as select * from views.checked_local where v is not null with cascaded check option;

-- @object invoker since 15
-- security_invoker.
create view views.invoker with (security_invoker = true, security_barrier = false) as select base.id from views.base;

-- @object grouped_by_key
-- A view that needs the primary key of its table, and one that needs that view.
create view views.grouped as select base.id, base.v, count(*) as n from views.base group by base.id;
create view views.over_grouped as select grouped.id from views.grouped where grouped.n > 0;

-- @object circles
-- Dependence in a circle: a function takes the row of a view that calls the function.
create view views.circle as select 1 as a, 'x'::text as b, 0 as c;
create function views.of_circle(views.circle) returns integer language sql stable as 'select coalesce(($1).a, 0) + 1';
create or replace view views.circle as select 1 as a, 'x'::text as b, views.of_circle(null::views.circle) as c;
create function views.setof_grouped() returns setof views.grouped language sql stable as 'select * from views.grouped';
create view views.through_function as select f.id, f.v from views.setof_grouped() as f;

-- @object rules_and_triggers
-- Views that can be written: INSTEAD rules and INSTEAD OF triggers, one disabled by nobody.
create view views.by_rule as select base.id, base.v from views.base;
create rule insert_rule as on insert to views.by_rule do instead insert into views.base (id, v) values (new.id, new.v) returning base.id, base.v;
create rule update_rule as on update to views.by_rule where old.id > 0 do instead nothing;
create view views.by_trigger as select base.id, base.v from views.base;
create function views.instead() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger instead_of instead of insert or update or delete on views.by_trigger for each row execute procedure views.instead();
comment on trigger instead_of on views.by_trigger is 'does nothing';

-- @object materialized
-- Materialized views: populated, not populated, one over another, one whose table's key it groups by, with indexes, options, owner.
create materialized view views.populated as select base.id, base.v, base.n::double precision / 3 as third from views.base where base.id < 100;
create unique index populated_id on views.populated (id);
create index populated_expression on views.populated (lower(v)) where third > 0;
create materialized view views.unpopulated as select base.id from views.base with no data;
create index unpopulated_id on views.unpopulated (id);
create materialized view views.over_populated with (fillfactor = 70) as select count(*) as n, max(populated.third) as m from views.populated;
create materialized view views.over_grouped_key as select base.id, base.v, count(*) from views.base group by base.id;
create view views.over_materialized as select populated.id from views.populated;
create materialized view views.over_both as select p.id, o.n from views.populated as p, views.over_populated as o;
alter materialized view views.populated alter column v set statistics 33, alter column v set storage external, cluster on populated_id;
comment on materialized view views.populated is 'populated';
comment on column views.populated.third is 'a third';
alter materialized view views.over_populated owner to pghaul_owner;
grant select on views.populated to pghaul_owner, pghaul_reader;
