//! Keys that are not columns: what rows that go have in place of them makes another key.

use pghaul::ErrorKind;
use pghaul::duplicates::plan::PlanOptions;
use pghaul::duplicates::plan::answers::Answers;
use pghaul_testbed::{Database, Major, Role, Server};

use super::carried::own;
use super::chains::{rules, there_and_back};
use super::mastodon::equal;
use super::{Paper, digests, majors, orphans, plan_with, repair, under_a_broken_index, undo};
use crate::harness::database;

/// Twins of twins under one index, with orders; the customers refer to each other, so that the rows
/// that go have to give up the key before they go.
async fn customers(major: Major, index: &str, referrer: &str) -> Database<'static> {
    let database = database(major, "keys");
    database
        .execute(format!(
            "create table customer (id int primary key, state text not null, email text not null,
                                    referrer int {referrer});
             create unique index customer_key on customer {index};
             create table purchase (id serial primary key, customer int not null references customer on delete cascade);
             insert into customer select g, 'active', lpad(g::text, 6, '0') || '@a', g % 9 + 1 from generate_series(1, 20) g"
        ))
        .await
        .unwrap();
    let twins = "insert into customer select 100 * n + g, 'active', lpad(g::text, 6, '0') || '@a', 100 * n + g % 9 + 1
                   from generate_series(1, 9) g, generate_series(1, 2) n;
                 insert into purchase (customer) select id from customer";
    database.execute(under_a_broken_index(&["customer_key"], twins)).await.unwrap();
    database
}

/// The condition reads a column that comes before the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_the_condition_tells_nobody_apart() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = customers(
            major,
            "(email) where state <> 'deleted'",
            "references customer on delete set null",
        )
        .await;
        let rule = rules("[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]");
        there_and_back(&database, &rule, (9, 0), async || {
            let orders = "select count(*) || ' of ' || count(distinct customer) from purchase";
            assert_eq!(database.value(orders).await.unwrap().as_deref(), Some("38 of 20"));
            let states = "select string_agg(distinct state, ',') from customer";
            assert_eq!(database.value(states).await.unwrap().as_deref(), Some("active"));
        })
        .await;
    }
}

/// `lower` keeps texts apart, `left` does not.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_may_make_one_key_of_all_texts() {
    for (index, referrer) in [
        ("(lower(email))", "references customer on delete set null"),
        ("(left(email, 6))", ""),
        ("(split_part(email, '@', 1)) where state in ('active', 'asleep')", ""),
        ("((split_part(email, '@', 1)::int))", ""),
    ] {
        let database = customers(Major::V14, index, referrer).await;
        let rule = rules("[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]");
        there_and_back(&database, &rule, (9, 0), async || {
            let orders = "select count(*) || ' of ' || count(distinct customer) from purchase";
            assert_eq!(
                database.value(orders).await.unwrap().as_deref(),
                Some("38 of 20"),
                "{index}"
            );
        })
        .await;
    }
}

/// Keys that are equal and written otherwise, with children that write them in a third way.
#[tokio::test(flavor = "multi_thread")]
async fn equal_keys_that_are_written_otherwise_are_twins() {
    let database = database(Major::V14, "spelled");
    database
        .execute(
            "create table price (amount numeric primary key, note text);
             create table sale (id serial primary key,
                                amount numeric not null references price on delete cascade on update cascade);
             insert into price select g, 'first' from generate_series(1, 20) g",
        )
        .await
        .unwrap();
    let twins = "insert into price select g * 1.00, 'second' from generate_series(1, 5) g;
                 insert into sale (amount) select g from generate_series(1, 20) g;
                 insert into sale (amount) select g * 1.0 from generate_series(1, 20) g;
                 insert into sale (amount) select g * 1.00 from generate_series(1, 20) g";
    database.execute(under_a_broken_index(&["price_pkey"], twins)).await.unwrap();
    let rule = "[[table]]\nname = 'price'\nkeep = [{ lowest = 'note' }]";
    let options = merge_all(&database, rule, 5).await;
    there_and_back(&database, &options, (5, 0), async || {
        let left = "select count(*) || ' ' || string_agg(distinct note, ',') from price";
        assert_eq!(database.value(left).await.unwrap().as_deref(), Some("20 first"));
        let sales = "select count(*)::text from sale";
        assert_eq!(database.value(sales).await.unwrap().as_deref(), Some("60"));
    })
    .await;
}

/// Rows that go are referred to by texts that are equal to their keys, and not the same.
#[tokio::test(flavor = "multi_thread")]
async fn children_that_write_a_key_otherwise_go_along() {
    for major in majors(&[Major::V14, Major::V18]) {
        for (parent, child, keys) in [
            ("citext", "citext", ["'ann' || g", "'aNN' || g", "'Bob' || g", "'BOB' || g"]),
            ("numeric", "numeric", ["g", "g * 1.0", "100.0 + g", "100.000 + g"]),
            ("char(10)", "char(12)", ["'a' || g", "'a' || g", "'b' || g", "'b' || g"]),
            (
                "varchar(30) collate any_case",
                "text collate any_case",
                ["'Ä' || g", "'ä' || g", "'Ö' || g", "'ö' || g"],
            ),
        ] {
            let [stays, stays_otherwise, goes, goes_otherwise] = keys;
            // Collations that take different texts for equal.
            let collation = match major >= Major::V12 {
                true => {
                    "create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                }
                false if parent.contains("any_case") => continue,
                false => "",
            };
            let database = database(major, "otherwise");
            let prepare = format!(
                "create extension citext;
                 {collation}
                 create table member (tenant int, k {parent}, mail text not null, primary key (tenant, k));
                 create unique index member_mail on member (mail);
                 alter table member add unique (k);
                 create table orders (id serial primary key, k {child} not null references member (k) on delete cascade);
                 create table vote (id serial primary key, tenant int, k {child} not null, topic int,
                                    foreign key (tenant, k) references member, unique (k, topic));
                 insert into member select 1, {stays}, g || '@a' from generate_series(1, 20) g"
            );
            database.execute(prepare).await.unwrap();
            let twins = format!(
                "insert into member select 1, {goes}, g || '@a' from generate_series(1, 5) g;
                 insert into orders (k) select {goes_otherwise} from generate_series(1, 5) g;
                 insert into orders (k) select {goes} from generate_series(1, 5) g;
                 insert into orders (k) select {stays_otherwise} from generate_series(1, 20) g;
                 insert into vote (tenant, k, topic) select 1, {stays_otherwise}, 7 from generate_series(1, 20) g;
                 insert into vote (tenant, k, topic) select 1, {goes_otherwise}, 6 + g % 2 from generate_series(1, 5) g"
            );
            database.execute(under_a_broken_index(&["member_mail"], &twins)).await.unwrap();
            let own = "select md5(string_agg(id || ':' || format('%s', k), ',' order by id))
                         from orders where id > 10";
            let before = database.value(own).await.unwrap();
            let rule = rules(
                "[[table]]\nname = 'member'\nkeep = [{ lowest = 'k' }]
                 [[table]]\nname = 'vote'\nkeep = [{ lowest = 'id' }]",
            );
            // Three of the votes are for the topic that the rows that stay have a vote for.
            there_and_back(&database, &rule, (5, 3), async || {
                let left = "select (select count(*) from member) || ' ' || count(*) || ' ' || count(distinct k)
                              || ' ' || (select count(*) from vote) from orders";
                let left = database.value(left).await.unwrap();
                assert_eq!(left.as_deref(), Some("20 30 20 22"), "{parent}");
                // Those of rows that stay are as they were.
                assert_eq!(database.value(own).await.unwrap(), before, "{parent}");
            })
            .await;
        }
    }
}

/// Options with answers that merge all groups that are asked about, since their keys are equal.
async fn merge_all(database: &Database<'_>, rule: &str, questions: u64) -> PlanOptions {
    let paper = Paper::new();
    let planned = plan_with(&database.url(), &rules(rule), &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (0, questions));
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let mut answers = String::new();
    for line in plan.lines().filter(|line| line.starts_with("{\"question\"")) {
        let question: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(question["because"], "equal ids with different content");
        let (name, keep) = (&question["question"], &question["rows"][0]["ctid"]);
        answers.push_str(&format!("[answer.{name}]\nkeep = {keep}\nothers = \"merge\"\n"));
    }
    PlanOptions { answers: Answers::parse(&answers, "answers").unwrap(), ..rules(rule) }
}

/// A key that no UPDATE may change, and for which no other could be made.
#[tokio::test(flavor = "multi_thread")]
async fn twins_whose_key_cannot_be_changed() {
    let database = database(Major::V14, "fixed");
    database
        .execute(
            "create table customer (id int generated always as identity primary key, name text);
             create table purchase (id serial primary key, customer int not null references customer on delete cascade);
             insert into customer (name) select 'c' || g from generate_series(1, 20) g;
             insert into purchase (customer) select g % 20 + 1 from generate_series(1, 60) g",
        )
        .await
        .unwrap();
    let twins = "insert into customer overriding system value select * from customer where id < 6";
    database.execute(under_a_broken_index(&["customer_pkey"], twins)).await.unwrap();
    let paper = Paper::new();
    plan_with(&database.url(), &PlanOptions::default(), &paper.plan()).await.unwrap();
    let role = Role::create(Server::shared(Major::V14).unwrap(), "fixed", "").unwrap();
    own(&database, &role).await;
    let before = digests(&database).await;
    let error = repair(&database.url_as(&role), &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    assert!(format!("{error}").contains("only a superuser"), "{error}");
    assert_eq!(digests(&database).await, before);
    there_and_back(&database, &PlanOptions::default(), (5, 0), async || {
        let orders = "select count(*) || ' of ' || count(distinct customer) from purchase";
        assert_eq!(database.value(orders).await.unwrap().as_deref(), Some("60 of 20"));
    })
    .await;
}

/// Some refer by the key that is shared, others by one that is not: these must not be left behind.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_known_by_two_keys_and_share_one() {
    for cascade in ["", "on update cascade on delete cascade"] {
        let database = database(Major::V14, "two_keys");
        database
            .execute(format!(
                "create table person (id int primary key, email text not null unique, note text);
                 create table post (id serial primary key, person int not null references person {cascade});
                 create table login (id serial primary key, email text not null references person (email) {cascade});
                 insert into person select g, 'e' || g, 'first' from generate_series(1, 20) g"
            ))
            .await
            .unwrap();
        let twins =
            "insert into person select 100 + g, 'e' || g, 'second' from generate_series(1, 5) g;
                     insert into post (person) select id from person;
                     insert into login (email) select email from person";
        database.execute(under_a_broken_index(&["person_email_key"], twins)).await.unwrap();
        let rule = "[[table]]\nname = 'person'\nkeep = [{ lowest = 'id' }]";
        let options = merge_all(&database, rule, 5).await;
        // Somebody writes between plan and repair: this row is not in the plan.
        let paper = Paper::new();
        plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
        database.execute("insert into post (person) values (103)").await.unwrap();
        let before = digests(&database).await;
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.groups, repaired.skipped), (5, 1), "{:?}", repaired.findings);
        assert!(orphans(&database).await.is_empty());
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}
