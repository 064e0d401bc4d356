-- Rows of many types, and what servers make of them. In a new database with UTF8, by psql:
--
--   psql -f every.sql
--
-- makes every.binary (the stream of COPY … FORMAT binary), every.text (ctid, columns, hidden
-- fields, as text) and prints the digests of the images. Row 3 is row 4 with other NaNs: its
-- expected digests are those of row 4, since a server does not make NaNs canonical. The files in
-- this folder are from 9.6.24 and 18.6; the SHA-256 are from 18.6, the MD5 of the same images
-- were equal on both.

set client_encoding = utf8;
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = postgres;
set extra_float_digits = 3;
set bytea_output = hex;

create type mood as enum ('sad', 'happy');
create type pair as (f float8, m mood, t text);
create type floatrange as range (subtype = float8);

create table every (
    i int4, b bool, t text, n numeric, f4 float4, f8 float8, ts timestamptz, u uuid, j jsonb,
    ip inet, by bytea, c char(3), a int4[], fa float8[], nr numrange, po point, pa path,
    pg polygon, ci circle, li line, fr floatrange, ma mood[], pr pair
);

insert into every values
    (1, true, E'tab\t nl\n bs\\ cr\r bel\b ff\f vt\x0b \\N é', 1.50, 0.1, 1e15,
     '2024-02-29 12:00+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, null]}', '10.0.0.1',
     '\x00ff5c', 'x', '{{1,2},{3,null}}', '{0.1,null,-0}', '[1.0,2.50)', '(1,2)', '[(0,0),(1,1)]',
     '((0,0),(1,0),(1,1))', '<(0,0),5>', '{1,-1,0}', '[0.5,)', '{sad,happy,null}',
     row(0.5, 'sad', 'a,"b')),
    (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
     null, null, null, null, null, null, null, null),
    (-1, false, '', 'NaN', -'NaN'::float4, -'NaN'::float8, 'infinity', null, 'null', '::1/64', '',
     '', '{}', array['1', -'NaN'::float8], 'empty', point('NaN', -'NaN'::float8), null, null,
     circle(point(-'NaN'::float8, 0), 1), null, floatrange('-Infinity', -'NaN'::float8), '{}',
     row(-'NaN'::float8, null, '')),
    (-1, false, '', 'NaN', 'NaN', 'NaN', 'infinity', null, 'null', '::1/64', '',
     '', '{}', '{1,NaN}', 'empty', '(NaN,NaN)', null, null,
     '<(NaN,0),1>', null, '[-Infinity,NaN)', '{}',
     row('NaN', null, ''));

\copy every to 'every.binary' (format binary)
\copy (select ctid, i, b, t, n, f4, f8, ts, u, j, ip, by, c, a, fa, nr, po, pa, pg, ci, li, fr, ma, pr, encode(float4send(f4), 'hex'), encode(float8send(f8), 'hex'), encode(array_send(fa), 'hex'), encode(point_send(po), 'hex'), encode(path_send(pa), 'hex'), encode(poly_send(pg), 'hex'), encode(circle_send(ci), 'hex'), encode(line_send(li), 'hex'), encode(range_send(fr), 'hex'), encode(record_send(pr), 'hex') from every) to 'every.text'

create view binary_image as
select ctid, record_send(row(
    i, b, t, n, f4, f8, ts, u, j, ip, by, c, a, fa, nr, po, pa, pg, ci, li,
    range_send(fr),
    ma::text[],
    case when pr is not distinct from null then null
        else record_send(row((pr).f, (pr).m::text, (pr).t)) end)) as image
from every;

-- The types inside of a hidden record are pghaul's stand-in where they are the user's.
create view text_image as
select ctid, record_send(row(
    case when i is not null then format('%s', i) end,
    case when b is not null then format('%s', b) end,
    t,
    case when n is not null then format('%s', n) end,
    encode(float4send(f4), 'hex'),
    encode(float8send(f8), 'hex'),
    case when ts is not null then format('%s', ts) end,
    case when u is not null then format('%s', u) end,
    case when j is not null then format('%s', j) end,
    case when ip is not null then format('%s', ip) end,
    case when by is not null then format('%s', by) end,
    case when c is not null then format('%s', c) end,
    case when a is not null then format('%s', a) end,
    encode(array_send(fa), 'hex'),
    case when nr is not null then format('%s', nr) end,
    encode(point_send(po), 'hex'),
    encode(path_send(pa), 'hex'),
    encode(poly_send(pg), 'hex'),
    encode(circle_send(ci), 'hex'),
    encode(line_send(li), 'hex'),
    encode(range_send(fr), 'hex'),
    case when ma is not null then format('%s', ma) end,
    case when pr is not distinct from null then null
        else encode(record_send(row((pr).f, (pr).m::text, (pr).t)), 'hex') end)) as image
from every;

select ctid, md5(b.image) as binary, md5(t.image) as text
from binary_image b join text_image t using (ctid) order by ctid;

-- From 11 on.
select ctid,
    encode(substr(sha256(b.image), 1, 16), 'hex') as binary,
    encode(substr(sha256(t.image), 1, 16), 'hex') as text
from binary_image b join text_image t using (ctid) order by ctid;
