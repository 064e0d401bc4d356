//! Tables unlike Mastodon's: partitioned children of partitioned parents, columns that only the server
//! writes, keys that are too long, types with an order of their own, names for more than two.

use pghaul::ErrorKind;
use pghaul::duplicates::plan::PlanOptions;
use pghaul::duplicates::plan::answers::Answers;
use pghaul_testbed::{Database, Major, Role};

use super::carried::own;
use super::chains::{rules, there_and_back};
use super::guards::{keys_of_others, repair_while};
use super::mastodon::equal;
use super::{Paper, digests, majors, orphans, plan_with, repair, under_a_broken_index, undo};
use crate::harness::database;

/// A partition that is referred to has the foreign keys of the roots alone, and the rows that would go
/// with one of its own lie in partitions.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_a_partition_that_refers_to_one_meanwhile_stays() {
    for (major, on_delete) in [
        (Major::V12, "on delete cascade"),
        (Major::V14, "on delete set null"),
        (Major::V18, "on delete cascade"),
    ] {
        let database = database(major, "leaves");
        database
            .execute(format!(
                "create table place (id int not null, name text, primary key (id)) partition by range (id);
                 create table place_1 partition of place for values from (0) to (1000);
                 create table place_2 partition of place for values from (1000) to (2000);
                 create unique index place_1_name on place_1 (name);
                 create table visit (id int not null, place int references place {on_delete}) partition by range (id);
                 create table visit_1 partition of visit for values from (0) to (1000);
                 create table visit_2 partition of visit for values from (1000) to (2000);
                 insert into place select g, 'p' || g from generate_series(1, 40) g;
                 insert into visit select g * 30, g from generate_series(1, 40) g"
            ))
            .await
            .unwrap();
        let twins = "insert into place select 500 + g, 'p' || g from generate_series(1, 5) g;
                     insert into visit select 900 + g, 500 + g from generate_series(1, 5) g";
        database.execute(under_a_broken_index(&["place_1_name"], twins)).await.unwrap();
        let rule = rules("[[table]]\nname = 'place'\nkeep = [{ lowest = 'id' }]");
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (5, 0));
        let before = digests(&database).await;
        let id = keys_of_others(&paper).pop().unwrap();
        let repaired = repair_while(&database, &paper, "rebuild", |database| {
            database.execute(format!("insert into visit values (1999, {id})")).wait().unwrap();
        })
        .await
        .unwrap();
        let late = database.value("select place::text from visit where id = 1999").await.unwrap();
        assert_eq!(late.as_deref(), Some(id.as_str()), "{major:?}");
        assert_eq!((repaired.skipped, repaired.deleted), (1, 4), "{major:?}");
        assert!(orphans(&database).await.is_empty());
        database.execute("delete from visit where id = 1999").await.unwrap();
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// Members whose names are one but for the case of letters; those at home are asked about.
async fn members(major: Major, name: &str, moved: &str) -> Database<'static> {
    let database = database(major, "members");
    let sql = format!(
        "create table member (id int primary key, name {name} not null, home text, moved int {moved});
         create unique index member_name on member (lower(name))"
    );
    database.execute(sql).await.unwrap();
    let twins = "insert into member values (10, 'rob', 'x', null), (11, 'rob', 'x', null);
                 insert into member values (1, 'Ann', null, 11), (2, 'ann', null, null), (3, 'ANN', null, 11)";
    database.execute(under_a_broken_index(&["member_name"], twins)).await.unwrap();
    database
}

const MEMBER: &str = "[[table]]
name = 'member'
keep = [{ lowest = 'id' }]
ask = [{ when = 'home', is = 'null', because = 'at home' }]
[table.merge]
moved = 'first'
";

/// Rules with the answer that all others than the first row of the one question get other names.
async fn answered(database: &Database<'_>, rule: &str) -> PlanOptions {
    let paper = Paper::new();
    let options = rules(rule);
    let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (1, 1));
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let line = plan.lines().find(|line| line.starts_with("{\"question\"")).unwrap();
    let question: serde_json::Value = serde_json::from_str(line).unwrap();
    let (name, keep) = (&question["question"], &question["rows"][0]["ctid"]);
    let answer = format!("[answer.{name}]\nkeep = {keep}\nothers = 'rename'\n");
    PlanOptions { answers: Answers::parse(&answer, "answers").unwrap(), ..options }
}

/// Each gets a name that no other one gets; and what the row that stays as it is refers to is merged all
/// the same.
#[tokio::test(flavor = "multi_thread")]
async fn three_of_one_name_get_three_names() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = members(major, "text", "references member on delete set null").await;
        let rule = format!("{MEMBER}[table.rename]\ncolumn = 'name'\nto = '{{value}}_{{n}}'\n");
        let options = answered(&database, &rule).await;
        there_and_back(&database, &options, (2, 0), async || {
            let names = "select string_agg(name || coalesce(' ' || moved, ''), ',' order by id) from member";
            assert_eq!(
                database.value(names).await.unwrap().as_deref(),
                Some("Ann 10,ann_1,ANN_2 10,rob")
            );
        })
        .await;
    }
}

/// A name is never cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_fit_its_column_is_refused() {
    let database = members(Major::V14, "varchar(8)", "").await;
    let rule = format!("{MEMBER}[table.rename]\ncolumn = 'name'\nto = '{{n}} is {{value}}'\n");
    let options = answered(&database, &rule).await;
    let paper = Paper::new();
    let planned = plan_with(&database.url(), &options, &paper.plan()).await;
    assert_eq!(planned.unwrap().counts.groups, 2, "eight characters fit");
    let rule = format!("{MEMBER}[table.rename]\ncolumn = 'name'\nto = '{{n}} was {{value}}'\n");
    let options = answered(&database, &rule).await;
    let error = plan_with(&database.url(), &options, &paper.other()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("longer than the 8 characters"), "{error}");
    assert!(!error.to_string().to_lowercase().contains("ann"), "{error}");
}

/// The highest is what the type says, and not the text.
#[tokio::test(flavor = "multi_thread")]
async fn the_highest_is_what_the_type_says() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = database(major, "highest");
        database
            .execute(
                "create type size as enum ('small', 'medium', 'large');
                 create table thing (id int primary key, name text, price numeric(8, 2), size size,
                                     lasts interval, share float8, seen timestamptz, low numeric, none numeric);
                 create unique index thing_name on thing (name)",
            )
            .await
            .unwrap();
        let twins = "insert into thing values
            (1, 'a', 9.50, 'small', '2 days', 9e2, '2020-01-01 12:00+00', 9.5, null),
            (2, 'a', 10.25, 'medium', '1 mon', 1e3, '2020-01-01 12:00:00.5+00', 10, null),
            (3, 'a', 1.00, 'large', '10 hours', 2, '2019-12-31 23:00+00', 11, null)";
        database.execute(under_a_broken_index(&["thing_name"], twins)).await.unwrap();
        let rule = rules(
            "[[table]]\nname = 'thing'\nkeep = [{ lowest = 'id' }]\n[table.merge]\nprice = 'highest'\n\
             size = 'highest'\nlasts = 'highest'\nshare = 'highest'\nseen = 'highest'\nlow = 'lowest'\nnone = 'highest'",
        );
        there_and_back(&database, &rule, (1, 0), async || {
            let row = "select concat_ws(' ', id, price, size, lasts, share, extract(epoch from seen)::float8, low, none) from thing";
            assert_eq!(
                database.value(row).await.unwrap().as_deref(),
                Some("1 10.25 large 1 mon 1000 1577880000.5 9.5"),
                "{major:?}"
            );
        })
        .await;
    }
}

/// What a column says that only the server writes cannot be changed, nor a row whose key has become too
/// long for its index: the groups of such rows are left alone, and the others are repaired.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_written_leave_the_others_to_be_repaired() {
    for (what, child, rows) in [
        (
            "generated",
            "at int, customer int generated always as (at) stored references customer",
            "insert into visit (at) values (101), (5)",
        ),
        (
            "identity",
            "customer int generated always as identity references customer",
            "insert into visit (customer) overriding system value values (101), (5)",
        ),
        (
            "too long",
            "customer int references customer, link text",
            "create index visit_link on visit (link);
             update pg_index set indisready = false where indexrelid = 'visit_link'::regclass;
             insert into visit (customer, link) select 101, string_agg(md5(g::text), '') from generate_series(1, 300) g;
             insert into visit (customer) values (102);
             update pg_index set indisready = true where indexrelid = 'visit_link'::regclass",
        ),
    ] {
        let database = database(Major::V18, "unwritable");
        database
            .execute(format!(
                "create table customer (id int primary key, name text);
                 create unique index customer_name on customer (name);
                 create table visit ({child});
                 create index on visit (customer);
                 insert into customer select g, 'c' || g from generate_series(1, 9) g"
            ))
            .await
            .unwrap();
        let twins = "insert into customer select 100 + g, 'c' || g from generate_series(1, 3) g";
        database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
        for sql in rows.split(';') {
            database.execute(sql).await.unwrap();
        }
        let before = digests(&database).await;
        let rule = rules("[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]");
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (3, 0), "{what}");
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.skipped, repaired.deleted), (1, 2), "{what} {:?}", repaired.findings);
        let left = "select string_agg(id::text, ',') from customer where id > 100";
        assert_eq!(database.value(left).await.unwrap().as_deref(), Some("101"), "{what}");
        assert!(orphans(&database).await.is_empty());
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// Keys of types of one's own; labels that look like numbers.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_domains_and_enums_follow() {
    for major in majors(&[Major::V9_6, Major::V10, Major::V18]) {
        for (key, of) in [
            ("create domain code as int check (value > 0)", "g"),
            (
                "create domain inner_code as varchar(9); create domain code as inner_code",
                "'k' || g",
            ),
            ("create domain code as text", "g::text"),
            (
                "create type code as enum ('1', '2', '3', '4', '11', '12')",
                "(array['1', '2', '3', '4'])[g]::code",
            ),
        ] {
            let database = database(major, "domains");
            database
                .execute(format!(
                    "{key};
                     create table customer (code code primary key, name text);
                     create unique index customer_name on customer (name);
                     create table purchase (id serial primary key, customer code references customer);
                     create table visit (id serial primary key, customer code);
                     insert into customer select ({of})::code, 'c' || g from generate_series(1, 4) g"
                ))
                .await
                .unwrap();
            let twins = "insert into customer select (case when code::text like 'k%' then 'k1' else '1' end || g)::code, name
                           from (select code, name, row_number() over (order by name) as g from customer) c where g < 3;
                         insert into purchase (customer) select code from customer;
                         insert into visit (customer) select code from customer";
            database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
            let rule = rules(
                "[[table]]\nname = 'customer'\nkeep = [{ lowest = 'code' }]\n\
                 [[reference]]\nto = 'customer.code'\nfrom = ['visit.customer']",
            );
            there_and_back(&database, &rule, (2, 0), async || {
                let rows = "select count(*) || ' ' || count(distinct p.customer) || ' ' || count(distinct v.customer)
                              from purchase p join visit v on v.id = p.id and v.customer = p.customer";
                assert_eq!(database.value(rows).await.unwrap().as_deref(), Some("6 4 4"), "{key}");
            })
            .await;
        }
    }
}

/// A key that is made of a reference moves with it: who cannot keep foreign keys quiet meanwhile is told
/// before anything is written.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_move_need_a_superuser() {
    for (major, cascade) in [(Major::V9_6, "on update cascade"), (Major::V18, "")] {
        let database = database(major, "movers");
        let sql = format!(
            "create table person (id int primary key, email text not null unique);
             create table profile (person int primary key references person {cascade}, about text);
             create table badge (id serial primary key, profile int not null references profile {cascade});
             create index on badge (profile);
             insert into person select g, 'p' || g from generate_series(1, 9) g"
        );
        database.execute(sql).await.unwrap();
        let twins = "insert into person select 100 + id, email from person where id < 4;
                     insert into profile select id, 'x' from person where id > 3;
                     insert into badge (profile) select person from profile";
        database.execute(under_a_broken_index(&["person_email_key"], twins)).await.unwrap();
        let role = Role::create(database.server(), "movers", "").unwrap();
        own(&database, &role).await;
        let (url, paper) = (database.url_as(&role), Paper::new());
        let before = digests(&database).await;
        let rule = rules("[[table]]\nname = 'person'\nkeep = [{ lowest = 'id' }]");
        plan_with(&url, &rule, &paper.plan()).await.unwrap();
        let error = repair(&url, &paper.plan()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight, "{error}");
        assert!(error.to_string().contains("public.profile: rows get another key"), "{error}");
        equal(&before, &digests(&database).await);
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.skipped, repaired.deleted), (0, 3), "{:?}", repaired.findings);
    }
}

/// Arrays that name rows that go are held while they are joined: more than the memory holds is refused.
#[tokio::test(flavor = "multi_thread")]
async fn arrays_that_the_memory_does_not_hold_are_refused() {
    let database = database(Major::V14, "arrays");
    let sql = "create table customer (id int primary key, name text);
               create unique index customer_name on customer (name);
               create table mailing (id serial primary key, customers int[]);
               insert into customer select g, 'c' || g from generate_series(1, 1000) g";
    database.execute(sql).await.unwrap();
    let twins = "insert into customer select 10000 + g, 'c' || g from generate_series(1, 20) g;
                 insert into mailing (customers) select (select array_agg(id) from customer) from generate_series(1, 300)";
    database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
    let rule = rules(
        "[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]\n\
         [[reference]]\nto = 'customer.id'\nkind = 'array'\nfrom = ['mailing.customers']",
    );
    let paper = Paper::new();
    let with = |memory| PlanOptions { memory, ..rule.clone() };
    let error = plan_with(&database.url(), &with(2 << 20), &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--memory")), "{error:?}");
    let planned = plan_with(&database.url(), &with(32 << 20), &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.changed), (20, 300));
}

/// A row takes in what an index lets only one row have: the other one gives it up before.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_one_row_may_have_is_taken_over() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = database(major, "taken");
        database
            .execute(
                "create table customer (id int primary key, name text, card text unique);
                 create unique index customer_name on customer (name);
                 create table member (id int primary key, customer int not null references customer,
                                      club text, badge text unique, unique (customer, club));
                 create table visit (id serial primary key, member int references member);
                 insert into customer select g, 'c' || g from generate_series(1, 4) g;
                 insert into member values (1, 1, 'go', null), (2, 2, 'go', 'b2')",
            )
            .await
            .unwrap();
        let twins = "insert into customer values (101, 'c1', 'k1'), (102, 'c2', null), (103, 'c3', 'k3');
                     insert into member values (11, 101, 'go', 'b1'), (12, 102, 'go', null), (13, 103, 'go', 'b3');
                     insert into visit (member) select id from member";
        database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
        let rule = rules(
            "[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]\n[table.merge]\ncard = 'first'\n\
             [[table]]\nname = 'member'\n[table.merge]\nbadge = 'first'",
        );
        there_and_back(&database, &rule, (3, 2), async || {
            let rows = "select string_agg(concat_ws(' ', c.id, c.card, m.id, m.badge, (select count(*) from visit v where v.member = m.id)), ',' order by c.id)
                          from customer c left join member m on m.customer = c.id";
            assert_eq!(
                database.value(rows).await.unwrap().as_deref(),
                Some("1 k1 1 b1 2,2 2 b2 2,3 k3 13 b3 1,4 0"),
                "{major:?}"
            );
        })
        .await;
    }
}
