-- Integers, numerics, floats and money, with the values at which formats differ.

-- @object schema
-- The schema of this family.
create schema numbers;
comment on schema numbers is 'Integers, numerics, floats and money';

-- @object integers
-- smallint, integer, bigint: both ends, zero, -1, NULL.
create table numbers.integers (id integer primary key, small smallint, whole integer, big bigint);
insert into numbers.integers values
    (1, -32768, -2147483648, -9223372036854775808),
    (2, 32767, 2147483647, 9223372036854775807),
    (3, 0, 0, 0),
    (4, -1, -1, -1),
    (5, null, null, null);
comment on table numbers.integers is 'both ends of each integer';
comment on column numbers.integers.big is E'64 bits, "quoted", it''s \\ and\nfolded';

-- @object numerics
-- numeric: NaN, scales, trailing zeros, the longest it takes, a declared scale.
create table numbers.numerics (id integer primary key, v numeric, money_like numeric(20, 4));
insert into numbers.numerics values
    (1, 'NaN', 'NaN'),
    (2, 0, 0),
    (3, 0.000, -0.0000),
    (4, 1.10, 1.10),
    (5, 1.1, 1.1),
    (6, -1, -9999999999999999.9999),
    (7, 1e131071, 9999999999999999.9999),
    (8, 1e-16383, 0.0001),
    (9, 10000, 10000),
    (10, 0.00001234567890123456789012345678901234567890, null),
    (11, ('1' || repeat('0123456789', 2000))::numeric, null),
    (12, null, null);

-- @object numeric_infinity since 14
-- Infinity, which servers before 14 refuse.
create table numbers.numeric_infinity (id integer primary key, v numeric);
insert into numbers.numeric_infinity values (1, 'Infinity'), (2, '-Infinity'), (3, 'NaN');

-- @object numeric_scales since 15
-- A negative scale and one greater than the precision.
create table numbers.numeric_scales (id integer primary key, rounded numeric(5, -3), tiny numeric(3, 5));
insert into numbers.numeric_scales values (1, 12345678, 0.00123), (2, -99999499, -0.00999);

-- @object floats
-- Infinities, NaN, negative zero, denormals, and the values whose text changed with 12.
create table numbers.floats (id integer primary key, single real, double_ double precision);
insert into numbers.floats values
    (1, 0, 0),
    (2, '-0', '-0'),
    (3, 'NaN', 'NaN'),
    (4, 'Infinity', 'Infinity'),
    (5, '-Infinity', '-Infinity'),
    (6, 0.1, 0.1),
    (7, 1e15, 1e15),
    (8, 16777216, 9007199254740993),
    (9, 3.4028235e38, 1.7976931348623157e308),
    (10, -3.4028235e38, -1.7976931348623157e308),
    (11, 1.17549435e-38, 2.2250738585072014e-308),
    (12, 1.4e-45, 4.94065645841246544e-324),
    (13, -1.4e-45, -4.94065645841246544e-324),
    (14, 0.3333333333, 0.33333333333333331),
    (15, 123456.7, 100000000000000.1),
    (16, null, null);

-- @object nan_with_sign
-- NaN with the sign bit, as x86 computes it: text copies lose it, binary copies keep it.
create table numbers.nan_with_sign (id integer primary key, single real, double_ double precision);
insert into numbers.nan_with_sign
select 1, 'Infinity'::real - 'Infinity'::real, 'Infinity'::double precision - 'Infinity'::double precision
union all
select 2, -('NaN'::real), -('NaN'::double precision);

-- @object nan_with_sign_nested
-- The same inside arrays, points, ranges and composites.
create type numbers.pair_of_floats as (single real, double_ double precision);
create table numbers.nan_with_sign_nested (
    id integer primary key,
    list double precision[],
    place point,
    way path,
    many point[],
    pair numbers.pair_of_floats
);
insert into numbers.nan_with_sign_nested
select 1, array[n, 1, null, 0.1], point(n, 0.1), ('((1,2),(0.1,4))'::path + point(n, 0)),
    array[point(n, n), point(1, 2)], row(n::real, n)::numbers.pair_of_floats
from (select -('NaN'::double precision) as n) as sign;
insert into numbers.nan_with_sign_nested values
    (2, '{NaN,-0,1e15}', '(NaN,-0)', '[(NaN,1e15)]', '{"(0.1,1e-300)"}', '(NaN,0.1)'),
    (3, null, null, null, null, '(,)'),
    (4, null, null, null, null, null);

-- @object money
-- money: what it means depends on lc_monetary, its bytes do not.
create table numbers.money (id integer primary key, v money);
insert into numbers.money values
    (1, 0::money), (2, 1234.56::money), (3, (-0.01)::money), (4, null),
    (5, '92233720368547758.07'), (6, '-92233720368547758.08');
