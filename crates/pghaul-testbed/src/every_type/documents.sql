-- json, jsonb, jsonpath, xml and full text search values.

-- @object schema
-- The schema of this family.
create schema documents;

-- @object json
-- json keeps blanks, doubled keys and \u0000; jsonb keeps numeric scale and loses the rest.
create table documents.json (id integer primary key, j json, b jsonb);
insert into documents.json values
    (1, '{"a" : 1,  "a":2 , "\u0000":null}', '{"b":[1.10,1.1,1e2,-0.0], "":{}, "🐘":"\ud83d\ude00"}'),
    (2, E'[\n\t1 ,2]', '[]'),
    (3, 'null', 'null'),
    (4, '"\\N \n \t \\."', E'"\\\\N \\n \\t \\\\. \\""'),
    (5, '1E+400', '1e400'),
    (6, '{}', '"scalar"'),
    (7, null, null);
insert into documents.json
select 8, json_agg(md5(i::text)), jsonb_agg(md5(i::text)) from generate_series(1, 5000) as i;

-- @object jsonpath since 12
-- jsonpath.
create table documents.jsonpath (id integer primary key, p jsonpath);
insert into documents.jsonpath values
    (1, '$.a[*] ? (@.b > 1.10 && @.c like_regex "^x" flag "i")'), (2, 'strict $."key with \"quotes\"".size()'), (3, null);

-- @object xml
-- xml: documents with a declaration and CDATA, content that is no document, nothing at all.
create table documents.xml (id integer primary key, x xml);
insert into documents.xml values
    (1, '<a/>'),
    (2, '<?xml version="1.0" encoding="UTF-8"?><r xmlns:p="urn:p"><p:a b="&lt;&amp;">é🐘</p:a><![CDATA[ <raw> ]]></r>'),
    (3, xmlparse(content E'text <b>and</b>\ttabs\nlines \\ ')),
    (4, xmlparse(content '')),
    (5, null);

-- @object text_search
-- tsvector and tsquery: weights, positions up to the end, quoted lexemes, phrases.
create table documents.text_search (id integer primary key, v tsvector, q tsquery);
insert into documents.text_search values
    (1, '''a'':1A,2B,3C,4D,16383 ''it''''s'':5 ''two words'' ''\\back''', 'fat & (rat | !cat:AB*) & ''it''''s'''),
    (2, '', ''),
    (3, to_tsvector('english', 'The elephants are dancing in the moonlight'), to_tsquery('english', 'dance <-> moon <3> light')),
    (4, null, null);
