//! What comes between plan and repair, or between a batch and the note of what it left alone.

use pghaul::ErrorKind;
use pghaul_testbed::{Major, Role};

use super::carried::own;
use super::chains::rules;
use super::guards::{alone, groups, repair_while};
use super::mastodon::equal;
use super::{Paper, digests, majors, plan_with, repair, under_a_broken_index, undo};
use crate::harness::database;

/// What a batch refuses is noted with its receipt: who ends between the two would leave a group out, and
/// say nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_its_receipt_are_one() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let (database, paper) = alone(major).await;
        let (_, goes) = groups(&paper).pop().unwrap();
        let error = repair_while(&database, &paper, "release", |database| {
            let changed = format!("update a set at = 5 where ctid = '{goes}'");
            let sql = format!(
                "{};
                 create function no() returns trigger language plpgsql as
                   $$ begin raise exception 'no note today'; end $$;
                 create trigger no before insert on pghaul.repair_skip for each row execute procedure no()",
                under_a_broken_index(&["a_k"], &changed)
            );
            database.execute(sql).wait().unwrap();
        })
        .await
        .unwrap_err();
        assert!(format!("{error:?}").contains("no note today"), "{error:?}");
        database.execute("drop function no() cascade").await.unwrap();
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(repaired.skipped, 1, "{:?}", repaired.findings);
        let why = repaired.findings.iter().find(|one| one.code == "duplicates_skipped").unwrap();
        assert!(why.message.contains("somebody else changed it"), "{why:?}");
    }
}

const SHOP: &str =
    "create table customer (id int primary key, code uuid not null unique, name text);
    create unique index customer_name on customer (name);
    create table purchase (id serial primary key, customer int references customer);
    create table note (id serial primary key, about uuid);
    create table mailing (id serial primary key, customers int[], codes uuid[]);
    insert into customer select g, md5(g::text)::uuid, 'c' || g from generate_series(1, 9) g";

const SHOP_RULES: &str = "[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]
    [[reference]]\nto = 'customer.code'\nfrom = ['note.about']
    [[reference]]\nto = 'customer.id'\nkind = 'array'\nfrom = ['mailing.customers']
    [[reference]]\nto = 'customer.code'\nkind = 'array'\nfrom = ['mailing.codes']";

/// By another column than the primary key, and by arrays.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_named_meanwhile_stays() {
    for (major, late) in [
        (Major::V9_6, "insert into note (about) select code from customer where id = 103"),
        (Major::V14, "insert into mailing (customers) values ('{7, 103}')"),
        (Major::V14, "insert into mailing (customers) values ('{{7, 8}, {9, 103}}')"),
        (Major::V18, "insert into mailing (codes) select array[code] from customer where id = 103"),
        (Major::V18, "select 1"),
    ] {
        let database = database(major, "named");
        database.execute(SHOP).await.unwrap();
        let twins = "insert into customer select 100 + g, md5('twin' || g)::uuid, 'c' || g from generate_series(1, 5) g;
                     insert into purchase (customer) select id from customer;
                     insert into note (about) select code from customer;
                     insert into mailing (customers, codes) select array[id, 1], array[code] from customer";
        database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rules(SHOP_RULES), &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (5, 0));
        let before = digests(&database).await;
        let repaired = repair_while(&database, &paper, "rebuild", |database| {
            database.execute(late).wait().unwrap();
        })
        .await
        .unwrap();
        let expected = if late == "select 1" { (0, 5) } else { (1, 4) };
        assert_eq!(
            (repaired.skipped, repaired.deleted),
            expected,
            "{late} {:?}",
            repaired.findings
        );
        let lost = "select (select count(*) from note where about not in (select code from customer))
                         + (select count(*) from mailing m, unnest(m.customers) c where c not in (select id from customer))
                         + (select count(*) from mailing m, unnest(m.codes) c where c not in (select code from customer))";
        assert_eq!(database.value(lost).await.unwrap().as_deref(), Some("0"), "{late}");
        database
            .execute("delete from note where id > 14; delete from mailing where id > 14")
            .await
            .unwrap();
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// A table whose rows could go with those that are deleted is locked meanwhile: who may not is told
/// before anything is written.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_lock_what_refers_nothing_begins() {
    let database = database(Major::V18, "no_lock");
    database.execute(SHOP).await.unwrap();
    let twins = "insert into customer select 100 + g, md5('twin' || g)::uuid, 'c' || g from generate_series(1, 5) g;
                 insert into note (about) select code from customer;
                 create index on purchase (customer); insert into purchase (customer) values (9)";
    database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
    let role = Role::create(database.server(), "no_lock", "").unwrap();
    own(&database, &role).await;
    let name = &role.name;
    let sql =
        format!("alter table purchase owner to postgres; grant select on purchase to \"{name}\"");
    database.execute(sql).await.unwrap();
    let (url, paper) = (database.url_as(&role), Paper::new());
    plan_with(&url, &rules(SHOP_RULES), &paper.plan()).await.unwrap();
    let before = digests(&database).await;
    let error = repair(&url, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error}");
    assert!(
        error.to_string().contains("public.purchase: a foreign key of it refers to"),
        "{error}"
    );
    equal(&before, &digests(&database).await);
    database.execute(format!("grant delete on purchase to \"{name}\"")).await.unwrap();
    let repaired = repair(&url, &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 5), "{:?}", repaired.findings);
    undo(&url, true).await.unwrap();
    equal(&before, &digests(&database).await);
}

/// A row that came since has the key of one that is to be put back: undo says so, and goes on without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_the_way_of_undo_is_told_of() {
    let database = database(Major::V14, "in_the_way");
    let sql = "create table customer (id int primary key, name text);
               create unique index customer_name on customer (name);
               create table purchase (id serial primary key, customer int references customer, what text, unique (customer, what));
               insert into customer select g, 'c' || g from generate_series(1, 9) g";
    database.execute(sql).await.unwrap();
    let twins = "insert into customer select 100 + g, 'c' || g from generate_series(1, 5) g;
                 insert into purchase (customer, what) select id, 'bread' from customer";
    database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
    let paper = Paper::new();
    let rule = rules(
        "[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]\n[[table]]\nname = 'purchase'",
    );
    plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
    let before = digests(&database).await;
    let repaired = repair_while(&database, &paper, "rebuild", |database| {
        let sql = "insert into purchase (id, customer, what) values (999, 103, 'bread')";
        database.execute(sql).wait().unwrap();
    })
    .await
    .unwrap();
    assert_eq!(repaired.keyless, 1, "{:?}", repaired.findings);
    let error = undo(&database.url(), true).await.unwrap_err();
    assert!(format!("{error:?}").contains("purchase_customer_what_key"), "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("came since the repair") && hint.contains("public.purchase"), "{hint}");
    database.execute("delete from purchase where id = 999").await.unwrap();
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}

/// What refers to a row without a foreign key is not moved to one that went meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_to_refer_to_a_row_that_went_meanwhile() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = database(major, "went");
        database.execute(SHOP).await.unwrap();
        let twins = "insert into customer select 100 + g, md5('twin' || g)::uuid, 'c' || g from generate_series(1, 5) g;
                     insert into note (about) select code from customer where id > 100;
                     insert into mailing (customers) select array[id] from customer where id > 100";
        database.execute(under_a_broken_index(&["customer_name"], twins)).await.unwrap();
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rules(SHOP_RULES), &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (5, 0));
        let repaired = repair_while(&database, &paper, "rebuild", |database| {
            database.execute("delete from customer where id = 3").wait().unwrap();
        })
        .await
        .unwrap();
        assert_eq!((repaired.skipped, repaired.deleted), (1, 4), "{:?}", repaired.findings);
        let left = "select c.name || ' ' || (select count(*) from note where about = c.code)
                           || ' ' || (select count(*) from mailing where c.id = any (customers)) from customer c where id = 103";
        // Nobody has its key any more: it got that back.
        assert_eq!(database.value(left).await.unwrap().as_deref(), Some("c3 1 1"), "{major:?}");
    }
}
