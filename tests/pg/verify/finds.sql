-- A small database with something of everything that can go wrong; runs on 10 and newer.
create table people (
    id int primary key,
    name text not null,
    note text,
    score float8,
    amount numeric,
    born timestamptz,
    picture bytea,
    tags text[]
);
insert into people
select g
     , 'name ' || g
     , case when g % 3 = 0 then null else 'note ' || g end
     , g / 7.0
     , g * 1.50
     , '2020-01-01 00:00+00'::timestamptz + g * interval '1 hour 3 seconds'
     , decode(md5(g::text), 'hex')
     , array['a', null, g::text]
  from generate_series(1, 5000) g;
update people set score = 'NaN' where id = 10;
update people set score = 0 where id = 11;
update people set note = '' where id = 12;
update people set note = null where id = 13;
create sequence people_id_seq owned by people.id;
alter table people alter id set default nextval('people_id_seq');
select setval('people_id_seq', 5000);

create table keyless (a int, b text);
insert into keyless select g % 50, 'x' || g % 50 from generate_series(1, 200) g;

create table by_unique (code text not null unique, v int);
insert into by_unique select 'c' || g, g from generate_series(1, 100) g;

create table composite (a int, b text, v int, primary key (b, a));
insert into composite select g, 'k' || g % 7, g from generate_series(1, 100) g;

create table child (id int primary key, person int references people);
insert into child select g, g from generate_series(1, 50) g;
create index child_person on child (person);
create view named as select id, name from people;
comment on table people is 'who';
create materialized view clock as select now() as at, count(*) as people from people;
select lo_from_bytea(4711, 'large'), lo_from_bytea(4712, 'object');
create table empty_one ();
insert into empty_one default values;
