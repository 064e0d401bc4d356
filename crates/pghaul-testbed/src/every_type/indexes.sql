-- Indexes of all access methods and options.

-- @object schema
-- The schema of this family.
create schema indexes;

-- @object btree
-- btree: partial, by expressions, directions, NULLs first, another operator class and collation, fillfactor.
create table indexes.btree (id integer primary key, t text, n numeric, d date, v varchar(20));
insert into indexes.btree select i, md5(i::text), i * 1.10, '2000-01-01'::date + i, nullif(i % 5, 0)::text from generate_series(1, 200) as i;
create index partial on indexes.btree (t) where n > 10 and v is not null;
create index expressions on indexes.btree (lower(t), (id % 10), (n + 1) desc);
create unique index unique_expression on indexes.btree ((t || 'x')) where d > '1999-01-01';
create index function_like on indexes.btree (coalesce(v, ''), id, greatest(n, 1) desc);
create index directions on indexes.btree (d desc nulls last, n asc nulls first) with (fillfactor = 60);
create index other_class on indexes.btree (t text_pattern_ops, v varchar_pattern_ops);
create index other_collation on indexes.btree (t collate "C" desc, v collate "POSIX");
create index "Evil ""index""; drop -- \ 🐘" on indexes.btree (v);
comment on index indexes.partial is 'a partial index';

-- @object include since 11
-- INCLUDE.
create index included on indexes.btree (d) include (t, n);

-- @object expression_statistics since 11
-- A statistics target of an expression in an index.
create index expression_statistics on indexes.btree ((length(t)), id);
alter index indexes.expression_statistics alter column 1 set statistics 77;

-- @object no_deduplication since 13
-- A btree without deduplication.
create index no_deduplication on indexes.btree (v) with (deduplicate_items = off);

-- @object hash
-- hash.
create table indexes.hashed (t text);
insert into indexes.hashed select md5(i::text) from generate_series(1, 100) as i;
create index hash_t on indexes.hashed using hash (t) with (fillfactor = 80);

-- @object gin
-- gin over arrays, jsonb, tsvector, with options.
create table indexes.gin (id integer primary key, a integer[], j jsonb, v tsvector);
insert into indexes.gin select i, array[i, i % 7], jsonb_build_object('k', i % 3), to_tsvector('simple', 'word' || i % 9) from generate_series(1, 100) as i;
create index gin_a on indexes.gin using gin (a) with (fastupdate = off);
create index gin_j on indexes.gin using gin (j jsonb_path_ops);
create index gin_v on indexes.gin using gin (v) with (gin_pending_list_limit = 128);
create index gin_expression on indexes.gin using gin (to_tsvector('english', j ->> 'k'));

-- @object gist
-- gist over points, boxes, ranges, tsvector, inet.
create table indexes.gist (id integer primary key, p point, b box, r int4range, v tsvector, i inet);
insert into indexes.gist select i, point(i, -i), box(point(i, i), point(0, 0)), int4range(i, i + 3), to_tsvector('simple', 'w' || i), '10.0.0.0'::inet + i from generate_series(1, 100) as i;
create index gist_p on indexes.gist using gist (p) with (buffering = on);
create index gist_b on indexes.gist using gist (b);
create index gist_r on indexes.gist using gist (r);
create index gist_v on indexes.gist using gist (v);
create index gist_i on indexes.gist using gist (i inet_ops);

-- @object gist_class_options since 13
-- An operator class with parameters.
create index gist_class_options on indexes.gist using gist (v tsvector_ops (siglen = 64));

-- @object spgist
-- spgist over text, points, ranges.
create table indexes.spgist (t text, p point, r int4range);
insert into indexes.spgist select md5(i::text), point(i, i), int4range(i, i + 2) from generate_series(1, 100) as i;
create index spgist_t on indexes.spgist using spgist (t);
create index spgist_p on indexes.spgist using spgist (p kd_point_ops);
create index spgist_r on indexes.spgist using spgist (r) with (fillfactor = 90);

-- @object brin
-- brin, minmax and inclusion.
create table indexes.brin (id integer, r int4range, t timestamptz);
insert into indexes.brin select i, int4range(i, i + 1), '2000-01-01 00:00:00+00'::timestamptz + i * interval '1 s' from generate_series(1, 1000) as i;
create index brin_id on indexes.brin using brin (id, t) with (pages_per_range = 2);
create index brin_r on indexes.brin using brin (r);

-- @object brin_autosummarize since 10
-- brin that summarizes by itself.
create index brin_auto on indexes.brin using brin (t) with (autosummarize = on);

-- @object brin_classes since 14
-- brin with bloom and minmax-multi.
create index brin_bloom on indexes.brin using brin (id int4_bloom_ops (n_distinct_per_range = 50, false_positive_rate = 0.05));
create index brin_multi on indexes.brin using brin (t timestamptz_minmax_multi_ops (values_per_range = 16));

-- @object statistics since 10
-- Extended statistics, in a schema of their own, with owner and comment.
create schema statistics;
grant usage, create on schema statistics to pghaul_owner;
create statistics statistics.two (ndistinct, dependencies) on id, v from indexes.btree;
create statistics statistics."evil ""statistics""" (dependencies) on t, d from indexes.btree;
comment on statistics statistics.two is 'two columns';
alter statistics statistics.two owner to pghaul_owner;

-- @object statistics_mcv since 12
-- Most common combinations.
create statistics statistics.three (mcv) on id, v, n from indexes.btree;

-- @object statistics_target since 13
-- A target of extended statistics.
alter statistics statistics.two set statistics 55;

-- @object statistics_expressions since 14
-- Extended statistics on expressions.
create statistics statistics.expressions on (lower(t)), (id % 3), v from indexes.btree;
create statistics statistics.one_expression on (n * 2) from indexes.btree;
