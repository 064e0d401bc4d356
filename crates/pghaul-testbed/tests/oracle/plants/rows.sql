-- Changes of rows, sequences and large objects. Each is found as the lines after it say, and
-- nothing else is.

-- @plant a row is lost
delete from numbers.integers where id = 3;
-- @found numbers.integers has 5 rows on the source, 4 on the target

-- @plant a row is there twice
insert into tables.doubled_rows values (2, 'twice');
-- @found tables.doubled_rows has 8 rows on the source, 9 on the target

-- @plant one of two equal rows became equal to others: the count stays
update texts.texts_without_key set v = E'\\N' where ctid = (select min(ctid) from texts.texts_without_key where v = E'\\.');
-- @found texts.texts_without_key has other values on the target: v

-- @plant two values changed places between rows: each column's values stay
update numbers.numerics set v = case id when 4 then 1.1 else 1.10 end where id in (4, 5);
-- @found numbers.numerics has other rows on the target: each column has the same values, but in other rows

-- @plant two values changed places between columns
update identifiers.bits set five = '11111', short = '0' where id = 2;
-- @found identifiers.bits has other values on the target: five, short

-- @plant NULL became empty
update texts.texts set v = '' where v is null;
-- @found texts.texts has other values on the target: v

-- @plant a blank was added
update texts.collated set d = d || ' ' where id = 1;
-- @found texts.collated has other values on the target: d

-- @plant the last bit of a float
update numbers.floats set double_ = 0.10000000000000002 where id = 6;
-- @found numbers.floats has other values on the target: double_

-- @plant negative zero lost its sign
update geometry.shapes set p = '(NaN,0)' where id = 4;
-- @found geometry.shapes has other values on the target: p

-- @plant a float within an array
update arrays.float_arrays set doubles[1][1] = 0.1000001 where id = 2;
-- @found arrays.float_arrays has other values on the target: doubles

-- @plant a trailing zero of a numeric within json
update documents.json set b = '{"b":[1.1,1.1,1e2,-0.0], "":{}, "🐘":"\ud83d\ude00"}' where id = 1;
-- @found documents.json has other values on the target: b

-- @plant a lower bound of an array
update arrays.shapes_of_arrays set i = '{7,8}' where id = 4;
-- @found arrays.shapes_of_arrays has other values on the target: i

-- @plant a lower bound of an array of a domain
update kinds.domain_arrays set many = '{5}' where id = 2;
-- @found kinds.domain_arrays has other values on the target: many

-- @plant a range of a user's multirange, and a multirange of none in an array that became NULL
update kinds.multiranges set f = '{[0.1,0.3],[1e15,)}', many[3] = null where id = 1;
-- @found kinds.multiranges has other values on the target: f, many

-- @plant a coordinate of a cube
update extensions.cubes set c = '(0.1,0.2),(1e15,-0.30000000000000004)' where id = 1;
-- @found extensions.cubes has other values on the target: c

-- @plant a letter's case under citext
update extensions.citexts set v = 'mIxED' where v = 'MiXed';
-- @found extensions.citexts has other values on the target: v

-- @plant a NULL element became the text NULL
update arrays.element_types set names = '{a,NULL}' where id = 1;
-- @found arrays.element_types has other values on the target: names

-- @plant another label
update kinds.enums set v = 'very sad' where id = 100;
-- @found kinds.enums has other values on the target: v

-- @plant a row of NULLs became NULL, and NULL a row of NULLs within an array
update kinds.composites set c = null where id = 2;
update kinds.composites set many[2] = '(,,,,)' where id = 1;
-- @found kinds.composites has other values on the target: c, many

-- @plant a float deep within a composite within an array
update kinds.row_types set many[1].c = 0.10000001 where id = 1;
-- @found kinds.row_types has other values on the target: many

-- @plant the bracket of a user's range
update kinds.user_ranges set f = '[0.1,0.3]' where id = 1;
-- @found kinds.user_ranges has other values on the target: f

-- @plant a domain's value
update kinds.domains set ratio = 0.2 where id = 1;
-- @found kinds.domains has other values on the target: ratio

-- @plant a microsecond
update times.dates set t = t + interval '1 microsecond' where id = 7;
-- @found times.dates has other values on the target: t

-- @plant an interval of equal length but other fields
update times.intervals set i = '1 mon' where id = 5;
-- @found times.intervals has other values on the target: i

-- @plant another zone, the same moment
update times.times set tz = '22:59:59.999999-00:00:00' where id = 3;
-- @found times.times has other values on the target: tz

-- @plant an object's name points elsewhere
update identifiers.object_names set class = 'pg_catalog.pg_type' where id = 1;
-- @found identifiers.object_names has other values on the target: class

-- @plant a generated column's source
update tables.generated set n = 1.1 where id = 1;
-- @found tables.generated has other values on the target: n, twice

-- @plant a lost row in a leaf
delete from partitions.by_range_new_a where id = 14;
-- @found partitions.by_range_new_a has 45 rows on the source, 44 on the target
-- @found the partition tree partitions.by_range has other rows on the target (100 on the source, 99 on the target)
-- @found the partition tree partitions.by_range_new has other rows on the target (89 on the source, 88 on the target)

-- @plant a lost row in a leaf whose rows may lie in another on another server
delete from partitions.by_enum where c = 'red' and v = 1;
-- @found the partition tree partitions.by_enum has other rows on the target (30 on the source, 29 on the target)

-- @plant a row that only the child of inheritance lost
delete from tables.grandchild;
-- @found tables.grandchild has 1 rows on the source, 0 on the target

-- @plant a materialized view that is stale
update views.base set n = 2.20 where id = 1;
-- @found views.base has other values on the target: n

-- @plant a sequence went on
select nextval('sequences.called');
-- @found the sequence sequences.called stands at 2 (called) on the source, 3 (called) on the target

-- @plant a sequence that was not called was
select setval('sequences.set_not_called', 77, true);
-- @found the sequence sequences.set_not_called stands at 77 (not called) on the source, 77 (called) on the target

-- @plant one byte of a large object
select lo_put(900003, 1048576, '\x00');
-- @found large object 900003 has another content on the target

-- @plant a large object one byte longer
select lo_put(900001, 0, '\x00');
-- @found large object 900001 has 0 bytes on the source, 1 on the target

-- @plant a large object more
select lo_from_bytea(900777, '\x00');
-- @found large object 900777 is on the target only
-- @found catalog: large object 900777 is on the target only

-- @plant a table more
create table tables.more (id integer);
insert into tables.more values (1);
-- @found tables.more is on the target only
-- @found catalog: relation "tables"."more" is on the target only
-- @found schema: on the target only: ALTER TABLE "tables"."more" OWNER TO "postgres"
-- @found schema: on the target only: CREATE TABLE "tables"."more" ("id" integer) [access method "heap"]
