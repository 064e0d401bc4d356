-- Tables of all kinds: keys, no keys, no columns, generated columns, identities, storage, inheritance.

-- @object schema
-- The schema of this family.
create schema tables;
alter schema tables owner to pghaul_owner;

-- @object keys_at_the_ends
-- Keys at both ends of bigint, -1 the smallest of another: a sentinel would meet them.
create table tables.keys_at_the_ends (id bigint primary key, v text);
insert into tables.keys_at_the_ends values
    (-9223372036854775808, 'least'), (-1, 'minus one'), (0, 'zero'), (1, 'one'), (9223372036854775807, 'greatest');
create table tables.smallest_is_minus_one (id integer primary key, v text);
insert into tables.smallest_is_minus_one values (-1, 'first'), (0, 'second'), (1, 'third');

-- @object serial_and_snowflake
-- Small serial ids and huge time-based ones in one table, with a wide gap between.
create table tables.serial_and_snowflake (id bigserial primary key, v text);
insert into tables.serial_and_snowflake (v) select md5(i::text) from generate_series(1, 500) as i;
insert into tables.serial_and_snowflake select 109302436954721982 + i * 65536, md5(i::text) from generate_series(1, 500) as i;

-- @object many_pages
-- Some 400 pages with holes in them, so that it can be cut into parts; keys not in the order of the heap.
create table tables.many_pages (id integer primary key, v text, filler char(600)) with (fillfactor = 60);
insert into tables.many_pages
select (i * 7919) % 3001, md5(i::text), repeat(chr(97 + i % 26), 600) from generate_series(1, 3000) as i;
delete from tables.many_pages where id between 1000 and 1200 or id % 17 = 0;
update tables.many_pages set v = upper(v) where id % 31 = 0;

-- @object no_columns
-- A table without columns, with three rows, and one whose columns are all dropped.
create table tables.no_columns ();
insert into tables.no_columns default values;
insert into tables.no_columns default values;
insert into tables.no_columns default values;
create table tables.all_dropped (a integer, b text);
insert into tables.all_dropped values (1, 'x'), (2, 'y');
alter table tables.all_dropped drop column a, drop column b;

-- @object empty
-- A table without rows.
create table tables.empty (id integer primary key, v text);

-- @object doubled_rows
-- No key, and rows that stand there twice and three times.
create table tables.doubled_rows (a integer, b text);
insert into tables.doubled_rows values (1, 'once'), (2, 'twice'), (2, 'twice'), (3, null), (3, null), (3, null), (null, null), (null, null);

-- @object dropped_and_added
-- Columns dropped in the middle and added at the end, some with a default for rows already there.
create table tables.dropped_and_added (id integer primary key, gone text, kept text, gone_too numeric(10, 2));
insert into tables.dropped_and_added values (1, 'gone', 'kept', 1.10), (2, 'gone', null, null);
alter table tables.dropped_and_added drop column gone, drop column gone_too;
alter table tables.dropped_and_added add column late integer default 42 not null, add column later timestamptz default '2000-01-01 00:00:00+00', add column never text;
alter table tables.dropped_and_added alter column late drop default, alter column later set default now();
insert into tables.dropped_and_added values (3, 'new', 7, null, 'x');

-- @object many_columns
-- 300 columns.
do $do$
begin
    execute 'create table tables.many_columns (' || (select string_agg(format('c%s integer', i), ', ' order by i) from generate_series(1, 300) as i) || ')';
    execute 'insert into tables.many_columns select ' || (select string_agg(format('nullif(%s %% 7, 0)', i), ', ' order by i) from generate_series(1, 300) as i);
end
$do$;

-- @object unlogged
-- An unlogged table with rows, index and sequence.
create unlogged table tables.unlogged (id serial primary key, v text);
insert into tables.unlogged (v) values ('a'), ('b');

-- @object typed
-- A table made of a type.
create type tables.kind_of_row as (a integer, b text);
create table tables.typed of tables.kind_of_row (a with options default 5, primary key (a));
insert into tables.typed values (1, 'x'), (2, null);

-- @object defaults
-- Defaults by expressions, by a function, by another table's sequence.
create sequence tables.shared_numbers;
create function tables.default_text() returns text language sql as $$ select 'made by a function'::text $$;
create table tables.defaults (
    id bigint default nextval('tables.shared_numbers') primary key,
    t text default tables.default_text(),
    q text default E'it''s "quoted" \\ and\ttabbed',
    j jsonb default '{"a": [1.10]}',
    a integer[] default '{1,NULL}',
    w timestamptz default now()
);
insert into tables.defaults (w) values ('2000-01-01 00:00:00+00'), (null);

-- @object storage
-- Storage of columns, statistics targets, n_distinct, fillfactor, options of the table and its TOAST table.
create table tables.storage (
    id integer primary key, plain_ text, external_ text, main_ text, extended_ bytea, stat integer
) with (fillfactor = 70, autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_enabled = false, user_catalog_table = false);
alter table tables.storage alter column plain_ set storage plain, alter column external_ set storage external,
    alter column main_ set storage main, alter column stat set statistics 250, alter column extended_ set (n_distinct = -0.5);
alter table tables.storage alter column stat set (n_distinct = 7, n_distinct_inherited = 9);
insert into tables.storage select i, 'p', repeat('e', 4000), repeat('m', 4000), decode(repeat('ab', 4000), 'hex'), i from generate_series(1, 5) as i;
comment on column tables.storage.stat is 'with a statistics target';

-- @object compression since 14
-- Compression methods by column; lz4 where the server was built with it.
create table tables.compression (id integer primary key, p text compression pglz, d text);
do $do$
begin
    if (select 'lz4' = any (enumvals) from pg_catalog.pg_settings where name = 'default_toast_compression') then
        execute 'alter table tables.compression add column l text compression lz4';
        execute 'insert into tables.compression (id, l) values (3, repeat(''lz4 '', 5000))';
    end if;
end
$do$;
insert into tables.compression (id, p, d) values (1, repeat('pglz ', 5000), repeat('default ', 5000)), (2, null, '');

-- @object parallel_options
-- parallel_workers.
create table tables.parallel_options (id integer primary key) with (parallel_workers = 3);

-- @object identity since 10
-- Identity columns, ALWAYS and BY DEFAULT, with options; values that the sequence never gave.
create table tables.identity (
    a integer generated always as identity primary key,
    b bigint generated by default as identity (start with 100 increment by -5 minvalue -1000 maxvalue 100 cycle),
    v text
);
insert into tables.identity (v) values ('x'), ('y');
insert into tables.identity (a, b, v) overriding system value values (1000, 7, 'chosen');
comment on sequence tables.identity_a_seq is 'of an identity column';

-- @object generated since 12
-- Stored generated columns, by operators and by a function of the user's, indexed.
create function tables.shout(text) returns text language sql immutable as $$ select upper($1) || '!' $$;
create table tables.generated (
    id integer primary key, v text, n numeric,
    loud text generated always as (tables.shout(v)) stored,
    twice numeric generated always as (n * 2) stored,
    tail text
);
insert into tables.generated (id, v, n, tail) values (1, 'hush', 1.10, 'z'), (2, null, null, null);
create index generated_loud on tables.generated (loud);

-- @object generated_virtual since 18
-- Virtual generated columns, beside a stored one.
create table tables.generated_virtual (
    id integer primary key, v text, loud text generated always as (upper(v)) virtual,
    len integer generated always as (length(v)) stored, plus integer generated always as (id + 1)
);
insert into tables.generated_virtual (id, v) values (1, 'hush'), (2, null);

-- @object inheritance
-- Inheritance from two parents, extra columns, an overriding default, a check that is not inherited, rows at each level.
create table tables.parent_a (id integer not null, v text default 'parent', shared date, check (id > 0), constraint only_here check (id < 1000) no inherit);
create table tables.parent_b (shared date, w numeric);
create table tables.child_ab (extra text) inherits (tables.parent_a, tables.parent_b);
create table tables.grandchild (own integer) inherits (tables.child_ab);
alter table tables.child_ab alter column v set default 'child';
alter table tables.parent_a add column late text;
insert into tables.parent_a values (1, 'a', '2000-01-01', 'l');
insert into tables.parent_b values ('2000-01-02', 1.10);
insert into tables.child_ab values (2000, 'c', '2000-01-03', 2, 'e', 'l');
insert into tables.grandchild values (3, 'g', null, null, null, 9, null);
comment on table tables.child_ab is 'child of two';

-- @object inherited_later
-- A child that was a table of its own first, its columns in another order.
create table tables.joined_parent (a integer, b text);
create table tables.joined_later (extra integer, b text, a integer);
insert into tables.joined_later values (1, 'b', 2);
alter table tables.joined_later inherit tables.joined_parent;
create index joined_later_a on tables.joined_later (a);

-- @object triggers
-- Triggers: plain, disabled, replica, always, of columns, with a condition, on TRUNCATE, deferred constraint triggers.
create table tables.triggered (id integer primary key, v text, fired integer default 0);
create function tables.count_up() returns trigger language plpgsql as $$ begin new.fired := coalesce(new.fired, 0) + 1; return new; end $$;
create function tables.do_nothing() returns trigger language plpgsql as $$ begin return null; end $$;
insert into tables.triggered (id, v) values (1, 'before any trigger'), (2, null);
create trigger plain before insert or update on tables.triggered for each row execute procedure tables.count_up();
create trigger switched_off before insert on tables.triggered for each row execute procedure tables.count_up('argument', E'it''s \\');
create trigger on_replica before insert on tables.triggered for each row execute procedure tables.count_up();
create trigger always_on before update of v, id on tables.triggered for each row when (old.v is distinct from new.v) execute procedure tables.count_up();
create trigger by_statement after truncate or delete on tables.triggered for each statement execute procedure tables.do_nothing();
create constraint trigger deferred after insert on tables.triggered deferrable initially deferred for each row execute procedure tables.do_nothing();
create constraint trigger of_other_table after update on tables.triggered from tables.empty not deferrable for each row when (new.v is not null) execute procedure tables.do_nothing();
alter table tables.triggered disable trigger switched_off;
alter table tables.triggered enable replica trigger on_replica;
alter table tables.triggered enable always trigger always_on;
comment on trigger plain on tables.triggered is 'counts';

-- @object transition_tables since 10
-- A trigger with transition tables.
create trigger with_tables after update on tables.triggered referencing old table as before_ new table as after_ for each statement execute procedure tables.do_nothing();

-- @object rules
-- Rules on tables: DO ALSO, DO INSTEAD, conditional, disabled. Loading by INSERT would obey them.
create table tables.ruled (id integer primary key, v text);
create table tables.rule_log (id integer, what text);
insert into tables.ruled values (1, 'before any rule'), (2, 'x');
create rule also_log as on insert to tables.ruled do also insert into tables.rule_log values (new.id, E'inserted; \\ -- "');
create rule never_delete as on delete to tables.ruled do instead nothing;
create rule no_zero as on update to tables.ruled where new.id = 0 do instead (insert into tables.rule_log values (old.id, 'zero'); select 1);
create table tables.diverted (id integer, v text);
insert into tables.diverted values (1, 'stays');
create rule divert as on insert to tables.diverted do instead insert into tables.rule_log values (new.id, 'diverted');
create rule sleeping as on update to tables.diverted do instead nothing;
alter table tables.diverted disable rule sleeping;
comment on rule also_log on tables.ruled is 'a log';

-- @object replica_identity
-- Replica identities: full, by an index, nothing; and a CLUSTER mark.
create table tables.identity_full (a integer, b text);
alter table tables.identity_full replica identity full;
insert into tables.identity_full values (1, 'x'), (1, 'x');
create table tables.identity_index (a integer not null, b text not null, primary key (b));
create unique index identity_by_this on tables.identity_index (a);
alter table tables.identity_index replica identity using index identity_by_this;
create table tables.identity_nothing (a integer primary key);
alter table tables.identity_nothing replica identity nothing;
create table tables.clustered (a integer primary key, b integer);
create index clustered_by_this on tables.clustered (b);
insert into tables.clustered values (1, 9), (2, 8);
alter table tables.clustered cluster on clustered_by_this;

-- @object row_security
-- Row-level security with policies for all commands, permissive and (10 and newer) restrictive, forced on the owner.
create table tables.secured (id integer primary key, owner_ name default current_user, v text);
insert into tables.secured values (1, 'pghaul_owner', 'seen'), (2, 'nobody', 'hidden');
alter table tables.secured owner to pghaul_owner;
alter table tables.secured enable row level security;
alter table tables.secured force row level security;
create policy own_rows on tables.secured for select using (owner_ = current_user);
create policy "evil ""policy""; --" on tables.secured for insert to pghaul_writer, pghaul_reader with check (v <> E'\\');
create policy through_other on tables.secured for update using (exists (select 1 from tables.empty where empty.id = secured.id)) with check (true);
comment on policy own_rows on tables.secured is 'own rows';
create table tables.policies_asleep (id integer primary key);
create policy asleep on tables.policies_asleep for delete to public using (id > 0);
insert into tables.policies_asleep values (1);

-- @object restrictive_policy since 10
-- A restrictive policy.
create policy narrow on tables.secured as restrictive for all to public using (id < 1000);
