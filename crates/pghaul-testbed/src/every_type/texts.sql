-- Text in all its types, and bytes: everything that a line-based format must escape.

-- @object schema
-- The schema of this family.
create schema texts;

-- @object texts
-- Tabs, line ends, backslashes, the end-of-data marker, the NULL marker, emoji, control characters.
create table texts.texts (id integer primary key, v text, c varchar(12), b char(6), n name);
insert into texts.texts values
    (1, '', '', '', ''),
    (2, null, null, null, null),
    (3, 'NULL', 'NULL', 'NULL', 'NULL'),
    (4, E'\\N', E'\\N', E'\\N', E'\\N'),
    (5, E'\\.', E'\\.', E'\\.', E'\\.'),
    (6, E'a\tb\nc\rd\r\ne', E'a\tb\nc', E'a\tb\n', E'a\tb'),
    (7, E'\\', E'\\\\', E'\\', E'\\t'),
    (8, E'\\\\.\n\\.\n\\.', E'\n\\.\n', E'\n\\.\n', E'\n\\.'),
    (9, '🐘 é e' || U&'\0301' || ' ' || U&'\200D' || ' ' || U&'\202E', '🐘', '🐘', '🐘'),
    (10, U&'\+10FFFF' || U&'\FFFE' || U&'\0001' || U&'\007F' || U&'\0080', U&'\+10FFFF', U&'\0001', U&'\007F'),
    (11, '  trailing   ', 'trailing    ', 'ab    ', 'blank '),
    (12, '"quotes" and ''quotes''', '"', '''', '"'),
    (13, E'\b\f\v', E'\b\f\v', E'\b\f\v', E'\b'),
    (14, 'a,b;c|d{e}(f)[g]', '{}', '()', ',');
comment on table texts.texts is E'tab\t newline\n backslash \\ quote '' marker \\.';

-- @object texts_without_key
-- A single column without key, where a value alone fills the line.
create table texts.texts_without_key (v text);
insert into texts.texts_without_key values
    (E'\\.'), (E'\\N'), (''), (null), (E'\n'), (E'\\.'), ('-- Name: forged; Type: TABLE; Schema: public; Owner: -');

-- @object wide
-- Compressed and out-of-line values: 100 kB that compress, 1 MiB that does not.
create table texts.wide (id integer primary key, v text, raw bytea);
insert into texts.wide
select 1, repeat('compress me ', 8000), decode(repeat('00ff', 50000), 'hex')
union all
select 2, string_agg(md5(i::text), '' order by i), decode(string_agg(md5(i::text), '' order by i), 'hex')
from generate_series(1, 32768) as i
union all
select 3, repeat('🐘', 100000), null;

-- @object bytes
-- bytea: empty, every byte, zeros, what looks like an escape.
create table texts.bytes (id integer primary key, v bytea);
insert into texts.bytes
select 1, ''::bytea
union all select 2, null
union all select 3, decode(string_agg(lpad(to_hex(i), 2, '0'), '' order by i), 'hex') from generate_series(0, 255) as i
union all select 4, '\x00'
union all select 5, convert_to(E'\\x00', 'UTF8')
union all select 6, convert_to(E'\\.\n\\N', 'UTF8')
union all select 7, '\xc8c8';

-- @object one_byte_char
-- The type "char" with all values, the high bit too: servers before 15 write it raw, which is not UTF-8.
create table texts.one_byte_char (id integer primary key, v "char");
insert into texts.one_byte_char
select i, (i - 128)::integer::"char" from generate_series(0, 255) as i;
insert into texts.one_byte_char values (256, null), (257, '');

-- @object collated
-- Columns with a collation of their own.
create table texts.collated (id integer primary key, c text collate "C", p text collate "POSIX", d text collate "default");
insert into texts.collated values (1, 'Ä', 'ä', 'z'), (2, 'b', 'B', 'ß');
