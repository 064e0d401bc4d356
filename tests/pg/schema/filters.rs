//! Only some tables: what they need comes along, what needs others stays behind and is named.

use std::collections::BTreeSet;

use pghaul::name::RelationName;
use pghaul::schema::{Entry, Kind, Others, Selection, select};
use pghaul_testbed::Major;

use super::{all_steps, dump, empty, run, session};

const FILTERED: &str = "
    create schema app;
    create schema other;
    create extension hstore schema other;
    create type app.mood as enum ('sad', 'happy');
    create type app.unused as enum ('x');
    create domain app.positive as int check (value > 0);
    create function app.f(int) returns int language sql immutable as 'select $1';
    create function app.of_orders(other.hstore) returns int language sql as 'select 1';
    create sequence other.numbers;
    create table app.people (id serial primary key, mood app.mood, amount app.positive, more other.hstore,
        number bigint default nextval('other.numbers'));
    create index people_f on app.people (app.f(id));
    create table app.orders (id int generated always as identity primary key, person int references app.people);
    create table app.notes (id int primary key, orders int references app.orders, people int references app.people,
        shared int default nextval('app.people_id_seq'));
    create view app.shown as select * from app.people;
    create view app.both as select p.id from app.people p join app.orders o on o.person = p.id;
    create view app.above as select * from app.both;
    create function app.touch() returns trigger language plpgsql as 'begin return new; end';
    create trigger touched before insert on app.notes for each row execute function app.touch();
    create function app.row_of(app.orders) returns int language sql as 'select 1';
    create table app.parent (a int);
    create table app.child (b int) inherits (app.parent);
    create table app.parts (a int) partition by list (a);
    create table app.parts_1 partition of app.parts for values in (1);
    create index parts_a on app.parts (a);
    comment on type app.mood is 'mood';
    comment on table app.people is 'people';
    grant select on app.people to pghaul_reader;
    grant usage on type app.mood to pghaul_reader;
    create publication news for table app.people, app.orders;
";

async fn filtered(wanted: impl Fn(&str) -> bool, others: Others) -> (Selection, BTreeSet<String>) {
    let source = empty(Major::V14);
    source.execute(FILTERED).wait().unwrap();
    let entries = dump(&source).await.entries;
    let selection = select(entries, |name: &RelationName| wanted(&name.to_string()), others);
    let target = empty(Major::V14);
    let control = session(&target).await;
    let failed = run(&control, &all_steps(&selection.entries, control.version())).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let made = selection.entries.iter().map(Entry::to_string).collect();
    (selection, made)
}

fn left_out(selection: &Selection) -> Vec<(String, String)> {
    let of =
        |one: &pghaul::schema::LeftOut| (format!("{} {}", one.kind, one.object), one.needs.clone());
    selection.left_out.iter().map(of).collect()
}

#[tokio::test]
async fn one_table_with_what_it_needs() {
    let (selection, made) = filtered(|name| name == "app.notes", Others::Needed).await;
    for needed in [
        "SCHEMA app",
        "TABLE app.notes",
        "FUNCTION app.touch()",
        "TRIGGER app.notes touched",
        "CONSTRAINT app.notes notes_pkey",
        // It takes its numbers from there, though another table owns it.
        "SEQUENCE app.people_id_seq",
    ] {
        assert!(made.contains(needed), "{needed} in {made:#?}");
    }
    for unasked in [
        "TABLE app.people",
        "TYPE app.mood",
        "SEQUENCE OWNED BY app.people_id_seq",
        "PUBLICATION news",
        "VIEW app.shown",
        "EXTENSION hstore",
    ] {
        assert!(!made.contains(unasked), "{unasked} in {made:#?}");
    }
    assert_eq!(
        left_out(&selection),
        [
            ("FK CONSTRAINT app.notes notes_orders_fkey".to_owned(), "app.orders".to_owned()),
            ("FK CONSTRAINT app.notes notes_people_fkey".to_owned(), "app.people".to_owned()),
        ]
    );
}

#[tokio::test]
async fn types_functions_extensions_and_sequences_come_along() {
    let (selection, made) = filtered(|name| name == "app.people", Others::Needed).await;
    for needed in [
        "SCHEMA other",
        "EXTENSION hstore",
        "TYPE app.mood",
        "COMMENT app.TYPE mood",
        "ACL app.TYPE mood",
        "DOMAIN app.positive",
        "FUNCTION app.f(integer)",
        "SEQUENCE app.people_id_seq",
        "SEQUENCE OWNED BY app.people_id_seq",
        "SEQUENCE other.numbers",
        "INDEX app.people_f",
        "COMMENT app.TABLE people",
        "ACL app.TABLE people",
    ] {
        assert!(made.contains(needed), "{needed} in {made:#?}");
    }
    assert!(!made.contains("TYPE app.unused"));
    assert_eq!(left_out(&selection), []);
}

#[tokio::test]
async fn all_but_one_table() {
    let (selection, made) = filtered(|name| name != "app.orders", Others::All).await;
    for kept in [
        "TABLE app.people",
        "TYPE app.unused",
        "VIEW app.shown",
        "PUBLICATION news",
        "PUBLICATION TABLE app.news people",
        "INDEX ATTACH app.parts_1_a_idx",
    ] {
        assert!(made.contains(kept), "{kept} in {made:#?}");
    }
    let gone = |entry: &String| entry.contains("orders") && !entry.contains("of_orders");
    assert_eq!(made.iter().filter(|entry| gone(entry)).collect::<Vec<_>>(), [""; 0]);
    let named: BTreeSet<String> = left_out(&selection).into_iter().map(|(what, _)| what).collect();
    let expected = [
        "FK CONSTRAINT app.notes notes_orders_fkey",
        "FUNCTION app.row_of(app.orders)",
        "VIEW app.above",
        "VIEW app.both",
    ];
    assert_eq!(named, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn a_child_cannot_be_without_its_parent_but_a_partition_can() {
    let (selection, made) =
        filtered(|name| name != "app.parent" && name != "app.parts", Others::All).await;
    assert!(made.contains("TABLE app.parts_1") && made.contains("INDEX app.parts_1_a_idx"));
    assert!(
        !made
            .iter()
            .any(|entry| entry.starts_with("TABLE ATTACH") || entry.starts_with("INDEX ATTACH"))
    );
    let tables: Vec<String> = selection
        .left_out
        .iter()
        .filter(|one| one.kind == Kind::Table)
        .map(|one| one.object.clone())
        .collect();
    assert_eq!(tables, ["app.child"]);
}
