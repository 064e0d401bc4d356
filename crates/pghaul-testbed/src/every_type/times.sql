-- Dates, times and intervals: BC, infinity, both ends, odd zones.

-- @object schema
-- The schema of this family.
create schema times;

-- @object dates
-- date and both timestamps: both ends, BC, infinity, microseconds, a precision of zero.
create table times.dates (
    id integer primary key,
    d date,
    t timestamp,
    tz timestamp with time zone,
    whole timestamp(0) with time zone
);
insert into times.dates values
    (1, '4714-11-24 BC', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00+00 BC', '4714-11-24 00:00:00+00 BC'),
    (2, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '294276-12-31 23:59:59+00'),
    (3, 'infinity', 'infinity', 'infinity', 'infinity'),
    (4, '-infinity', '-infinity', '-infinity', '-infinity'),
    (5, '0001-01-01', '0001-12-31 23:59:59.999999 BC', '1880-01-01 00:00:00+00', '1969-12-31 23:59:59+00'),
    (6, '2000-02-29', '1999-12-31 24:00:00', '2016-12-31 23:59:60+00', '2024-06-30 12:00:00+14'),
    (7, '1582-10-10', '2000-01-01 00:00:00.000001', '2000-01-01 00:00:00.1+00:19:32', '2000-01-01 00:00:00+00'),
    (8, null, null, null, null);

-- @object times
-- time and timetz: midnight twice, offsets with seconds, precisions.
create table times.times (
    id integer primary key,
    t time,
    tz time with time zone,
    tenth time(1),
    tenth_tz time(1) with time zone
);
insert into times.times values
    (1, '00:00:00', '00:00:00+15:59:59', '00:00:00.1', '00:00:00.1-00'),
    (2, '24:00:00', '24:00:00-15:59:59', '23:59:59.9', '24:00:00+01'),
    (3, '23:59:59.999999', '23:59:59.999999+00:19:32', '12:00:00', '12:00:00+05:45'),
    (4, null, null, null, null);

-- @object intervals
-- interval: signs mixed between fields, restricted fields, precision.
create table times.intervals (
    id integer primary key,
    i interval,
    years interval year to month,
    seconds interval day to second (2)
);
insert into times.intervals values
    (1, '0', '0', '0'),
    (2, '1 mon -1 day 00:00:01', '-1 years -2 mons', '1 day 02:03:04.05'),
    (3, '-1 mon 30 days -00:00:00.000001', '1 year 11 mons', '-1 day -23:59:59.99'),
    (4, '1 year 2 mons 3 days 04:05:06.789', null, null),
    (5, '30 days', '1 month', '720:00:00'),
    (6, '1 month', '30 months', '30 days'),
    (7, '178000000 years 2147483646 days 2147483647:59:59.999999', null, null),
    (8, null, null, null);

-- @object interval_ends until 16
-- The two ends of interval, made by sums: 17 and newer read the same bytes as infinity. 14 and older cannot write them as text, 16 and older cannot read the lower one.
create table times.interval_ends (id integer primary key, i interval, many interval[]);
insert into times.interval_ends
select 1, most, array[most, null, interval '1 day']
from (
    select interval '2147483647 months' + interval '2147483647 days' + interval '2147483647:00:00' + interval '414564141:00:54.775807' as most
) as sum
union all
select 2, least, array[least]
from (
    select interval '-2147483648 months' + interval '-2147483648 days' + interval '-2147483647:00:00' + interval '-414564141:00:54.775808' as least
) as sum
union all
select 3, interval '2147483647 months' + interval '2147483647 days', null;

-- @object interval_infinity since 17
-- interval infinity.
create table times.interval_infinity (id integer primary key, i interval, many interval[]);
insert into times.interval_infinity values
    (1, 'infinity', '{infinity,1 day}'), (2, '-infinity', '{-infinity}'), (3, '178956970 years', null);
