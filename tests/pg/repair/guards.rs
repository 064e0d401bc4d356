//! What somebody does between two batches: rows are only touched while they are what the plan says,
//! and a batch is there whole or not at all.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use pghaul::ErrorKind;
use pghaul::duplicates::plan::{PlanOptions, Without};
use pghaul::duplicates::repair::{RepairOptions, Repaired};
use pghaul::duplicates::rules::Rules;
use pghaul::duplicates::undo::{Indexes, UndoOptions};
use pghaul::event::{Event, Observer};
use pghaul::run::Stop;
use pghaul_testbed::damage::{Damage, Recipe};
use pghaul_testbed::{Database, Major, Role};

use super::carried::own;
use super::mastodon::equal;
use super::{
    Paper, clean, digests, majors, orphans, plan_with, repair, under_a_broken_index, undo,
};
use crate::harness::{OnEvent, database};

/// Rows that nothing refers to, six of them twice.
pub(super) async fn alone(major: Major) -> (Database<'static>, Paper) {
    alone_in(database(major, "guards")).await
}

async fn alone_in(database: Database<'static>) -> (Database<'static>, Paper) {
    database
        .execute(
            "create table a (id serial primary key, k text, at int);
             create unique index a_k on a (k);
             insert into a (k, at) select 'k' || g, g from generate_series(1, 50) g",
        )
        .await
        .unwrap();
    let session = database.connect().await.unwrap();
    Damage::new("a_k", Recipe::DoubleEntries)
        .groups(6)
        .set("at", "1000")
        .plant(&session)
        .await
        .unwrap();
    let paper = Paper::new();
    let options = PlanOptions { without_rules: Without::Lowest, ..PlanOptions::default() };
    let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (6, 0));
    (database, paper)
}

/// The groups of a plan: ctids of the row that stays, and of the first other.
pub(super) fn groups(paper: &Paper) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(paper.plan()).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("{\"group\""));
    lines
        .map(|line| {
            let group: serde_json::Value = serde_json::from_str(line).unwrap();
            let ctid = |row: &serde_json::Value| row["row"]["ctid"].as_str().unwrap().to_owned();
            (ctid(&group["keep"]), ctid(&group["others"][0]))
        })
        .collect()
}

/// Repairs, one row a batch, and does something right after the first step of that name.
pub(super) async fn repair_while(
    database: &Database<'_>,
    paper: &Paper,
    step: &'static str,
    act: impl Fn(&Database<'_>) + Send + Sync,
) -> Result<Repaired, pghaul::Error> {
    let done = AtomicBool::new(false);
    let observer = OnEvent(|event: &Event<'_>| {
        if let Event::StepCommitted { object, .. } = event
            && object.starts_with(step)
            && !done.swap(true, Ordering::SeqCst)
        {
            act(database);
        }
    });
    let repaired = with_batches_of(1, database, paper, &observer).await;
    assert!(done.load(Ordering::SeqCst), "there was no step `{step}`");
    repaired
}

async fn with_batches_of(
    batch_rows: usize,
    database: &Database<'_>,
    paper: &Paper,
    observer: &dyn Observer,
) -> Result<Repaired, pghaul::Error> {
    let (url, stop) = (super::endpoint(&database.url()), Stop::default());
    let options = RepairOptions { batch_rows, ..RepairOptions::default() };
    pghaul::duplicates::repair::repair(&url, &paper.plan(), options, observer, &stop).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_row_in_the_place_of_a_planned_one_stays() {
    let server = super::scans::apart(Major::V14);
    let (database, paper) = alone_in(Database::new(server, "guards").unwrap()).await;
    let victim = groups(&paper).pop().unwrap().1;
    let repaired = repair_while(&database, &paper, "release", |database| {
        let session = database.connect().wait().unwrap();
        session.execute(format!("delete from a where ctid = '{victim}'")).wait().unwrap();
        session.execute("vacuum (index_cleanup on) a").wait().unwrap();
        // The line pointers that are free are taken again, the lowest first.
        for at in 0..10 {
            let sql = format!("insert into a (k, at) values ('new {at}', -1) returning ctid");
            if session.value(sql).wait().unwrap().as_deref() == Some(&victim) {
                return;
            }
        }
        panic!("no row came to lie at {victim}");
    })
    .await
    .unwrap();
    assert_eq!((repaired.groups, repaired.skipped, repaired.deleted), (6, 1, 5));
    let there = format!("select at from a where ctid = '{victim}'");
    assert_eq!(database.value(there).await.unwrap().as_deref(), Some("-1"));
    let found = repaired.findings.iter().find(|finding| finding.code == "duplicates_skipped");
    assert!(found.unwrap().message.contains("somebody else changed it"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_once_the_row_that_stays_was_changed() {
    let (database, paper) = alone(Major::V18).await;
    let (keep, other) = groups(&paper).pop().unwrap();
    let key = format!("select k from a where ctid = '{other}'");
    let key = database.value(key).await.unwrap().unwrap();
    let repaired = repair_while(&database, &paper, "release", |database| {
        let sql = under_a_broken_index(
            &["a_k"],
            &format!("update a set k = 'it has another now' where ctid = '{keep}'"),
        );
        database.execute(sql).wait().unwrap();
    })
    .await
    .unwrap();
    assert_eq!((repaired.groups, repaired.skipped, repaired.deleted), (6, 1, 5));
    let there = format!("select count(*) from a where k = '{key}'");
    assert_eq!(database.value(there).await.unwrap().as_deref(), Some("1"), "the last one is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_for_other_data_is_refused() {
    let (database, paper) = alone(Major::V9_6).await;
    let sql = under_a_broken_index(&["a_k"], "update a set at = at + 1 where id % 4 <> 0");
    database.execute(sql).await.unwrap();
    let before = digests(&database).await;
    let error = repair(&database.url(), &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    assert!(error.to_string().contains("made for other data"), "{error:?}");
    equal(&before, &digests(&database).await);
    let state = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(database.value(state).await.unwrap().as_deref(), Some("0"));
}

const RULES: &str = "
format = 1
name = 'shop'
[[table]]
name = 'customer'
keep = [{ lowest = 'id' }]
[table.merge]
note = 'first'
[[reference]]
to = 'customer.id'
from = ['visit.customer']
";

pub(super) fn shop() -> PlanOptions {
    PlanOptions { rules: Rules::parse(RULES, "shop").unwrap(), ..PlanOptions::default() }
}

/// Customers that are there twice, with orders by a foreign key and visits without one.
pub(super) async fn customers(major: Major, on_delete: &str) -> (Database<'static>, Paper) {
    let database = database(major, "shop");
    database
        .execute(format!(
            "create table customer (id serial primary key, name text not null, note text);
             create unique index customer_name on customer (name);
             create table purchase (id serial primary key, customer int references customer {on_delete}, what text);
             create table visit (id serial primary key, customer int);
             insert into customer (name, note) select 'c' || g, case when g % 2 = 0 then 'n' || g end from generate_series(1, 60) g;
             insert into purchase (customer, what) select g % 60 + 1, 'w' || g from generate_series(1, 300) g;
             insert into visit (customer) select g % 60 + 1 from generate_series(1, 300) g"
        ))
        .await
        .unwrap();
    let session = database.connect().await.unwrap();
    plant_customers(&session, 1).await;
    let paper = Paper::new();
    let planned = plan_with(&database.url(), &shop(), &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (5, 0));
    (database, paper)
}

/// Five customers once more, with orders and visits of their own.
async fn plant_customers(session: &pghaul_testbed::Session, seed: u64) {
    use pghaul_testbed::damage::Children;
    Damage::new("customer_name", Recipe::DoubleEntries)
        .groups(5)
        .seed(seed)
        .set("note", format!("'copy {seed}'"))
        .children(Children::like_others("purchase", "customer"))
        .children(Children::like_others("visit", "customer"))
        .plant(session)
        .await
        .unwrap();
}

/// Values of 40 kB, of which a sixteenth of the memory holds no more than two: batches are cut by that
/// too.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_long_values_is_a_shorter_one() {
    let (database, _) = customers(Major::V18, "on delete cascade").await;
    let long =
        "update customer set note = case when note like 'copy%' then repeat('long ', 8000) end";
    database.execute(under_a_broken_index(&["customer_name"], long)).await.unwrap();
    let paper = Paper::new();
    plan_with(&database.url(), &shop(), &paper.plan()).await.unwrap();
    let batches = AtomicU32::new(0);
    let observer = OnEvent(|event: &Event<'_>| {
        if let Event::StepCommitted { object: "change public.customer", .. } = event {
            batches.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (url, stop) = (super::endpoint(&database.url()), Stop::default());
    let options = RepairOptions { memory: 1 << 20, ..RepairOptions::default() };
    let repaired =
        pghaul::duplicates::repair::repair(&url, &paper.plan(), options, &observer, &stop).await;
    let repaired = repaired.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 5), "{:?}", repaired.findings);
    assert_eq!(batches.load(Ordering::SeqCst), 3, "of five rows");
    let kept = "select count(*) from customer where length(note) = 40000";
    assert_eq!(database.value(kept).await.unwrap().as_deref(), Some("5"));
}

/// By a foreign key that deletes or clears, refuses, or does nothing; and without one.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_refers_to_meanwhile_stays() {
    for (major, on_delete, table) in [
        (Major::V9_6, "on delete cascade", "purchase"),
        (Major::V18, "on delete set null", "purchase"),
        (Major::V14, "", "purchase"),
        (Major::V18, "not enforced", "purchase"),
        (Major::V14, "on delete cascade", "visit"),
    ] {
        let (database, paper) = customers(major, on_delete).await;
        let before = digests(&database).await;
        let id = keys_of_others(&paper).pop().unwrap();
        let insert = format!("insert into {table} (id, customer) values (9999, {id})");
        let repaired = repair_while(&database, &paper, "rebuild", |database| {
            database.execute(insert.clone()).wait().unwrap();
        })
        .await
        .unwrap();
        assert_eq!((repaired.skipped, repaired.deleted), (1, 4), "{on_delete} {table}");
        let there = format!(
            "select (select count(*) from customer where id = {id}) || ' ' || \
                    (select customer from {table} where id = 9999)"
        );
        let there = database.value(there).await.unwrap();
        assert_eq!(there, Some(format!("1 {id}")), "{on_delete} {table}");
        assert!(orphans(&database).await.is_empty());
        // The other row has the key by now, which is told; undo gives it back.
        let found = repaired.findings.iter().find(|finding| finding.code == "keys_given_up");
        assert_eq!(repaired.keyless, 1);
        assert!(found.unwrap().message.starts_with("1 rows of groups"), "{found:?}");
        database.execute(format!("delete from {table} where id = 9999")).await.unwrap();
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// The primary keys of the rows that go, a group each.
pub(super) fn keys_of_others(paper: &Paper) -> Vec<String> {
    let text = std::fs::read_to_string(paper.plan()).unwrap();
    let groups = text.lines().filter(|line| line.starts_with("{\"group\""));
    groups
        .map(|line| {
            let group: serde_json::Value = serde_json::from_str(line).unwrap();
            group["others"][0]["row"]["key"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// An error wherever a receipt is written, until function `no` goes.
fn refuse_batches(database: &Database<'_>, event: &str) {
    let sql = format!(
        "create function no() returns trigger language plpgsql as
           $$ begin raise exception 'no receipt today'; end $$;
         create trigger no before {event} on pghaul.repair_batch for each row execute procedure no()"
    );
    database.execute(sql).wait().unwrap();
}

/// An error at the receipt: nothing of the batch is there, and the same plan goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_and_its_receipt_are_one() {
    let (database, paper) = customers(Major::V14, "on delete cascade").await;
    let before = digests(&database).await;
    for step in ["release", "change", "delete"] {
        let error = repair_while(&database, &paper, step, |database| {
            refuse_batches(database, "insert");
        });
        let error = error.await.unwrap_err();
        let undo_rows = "select count(*) from pghaul.undo_row u \
                         where not exists (select from pghaul.repair_batch b where b.id = u.batch)";
        assert_eq!(database.value(undo_rows).await.unwrap().as_deref(), Some("0"), "{error:?}");
        // What is kept for undo accounts for all that was done.
        let accounted = "select coalesce(sum(rows), 0) = (select count(*) from pghaul.undo_row) from pghaul.repair_batch";
        assert_eq!(database.value(accounted).await.unwrap().as_deref(), Some("t"), "{step}");
        database.execute("drop function no() cascade").await.unwrap();
    }
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.groups, repaired.skipped), (5, 0), "{:?}", repaired.findings);
    clean(&database).await;

    // And so with undo.
    let after = digests(&database).await;
    refuse_batches(&database, "update");
    undo(&database.url(), true).await.unwrap_err();
    equal(&after, &digests(&database).await);
    database.execute("drop function no() cascade").await.unwrap();
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}

/// Changed after undo has looked at everything: the batch stays as it is, and what was written stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_during_undo_stops_it() {
    let (database, paper) = customers(Major::V14, "on delete cascade").await;
    let before = digests(&database).await;
    repair(&database.url(), &paper.plan()).await.unwrap();
    let row = "select now_ctid from pghaul.undo_row u join pghaul.repair_table t using (repair, place) \
               where t.table_name = 'visit' and now_ctid is not null limit 1";
    let ctid = database.value(row).await.unwrap().unwrap();
    let done = AtomicBool::new(false);
    let observer = OnEvent(|_: &Event<'_>| {
        if !done.swap(true, Ordering::SeqCst) {
            let sql = format!("update visit set customer = 60 where ctid = '{ctid}'");
            database.execute(sql).wait().unwrap();
        }
    });
    let (url, stop) = (super::endpoint(&database.url()), Stop::default());
    let drop = UndoOptions::default().with_indexes(Indexes::Drop);
    let error = pghaul::duplicates::undo::undo(&url, drop, &observer, &stop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transfer, "{error:?}");
    assert!(error.to_string().contains("public.visit"), "{error:?}");
    let written = "select count(*) from visit where customer = 60 and xmin::text::int8 > all \
                   (select now_xid::int8 from pghaul.undo_row where now_xid is not null)";
    assert_eq!(database.value(written).await.unwrap().as_deref(), Some("1"));
    // Not undone any more as it is; but nothing was lost of what it was before.
    let error = undo(&database.url(), true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    assert_ne!(before, digests(&database).await);
}

/// A trigger that comes to be while undo is at work swallows rows: the batch is not undone, and nothing
/// of it is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_comes_during_undo_loses_nothing() {
    for (major, table, action) in
        [(Major::V18, "customer", "insert"), (Major::V9_6, "purchase", "update")]
    {
        let (database, paper) = customers(major, "on delete cascade").await;
        let before = digests(&database).await;
        super::repair_in_batches_of(1, &database.url(), &paper.plan()).await.unwrap();
        let done = AtomicBool::new(false);
        let observer = OnEvent(|_: &Event<'_>| {
            if !done.swap(true, Ordering::SeqCst) {
                let sql = format!(
                    "create function swallow() returns trigger language plpgsql as 'begin return null; end';
                     create trigger swallow before {action} on {table} for each row execute procedure swallow()"
                );
                database.execute(sql).wait().unwrap();
            }
        });
        let (url, stop) = (super::endpoint(&database.url()), Stop::default());
        let drop = UndoOptions::default().with_indexes(Indexes::Drop);
        let error = pghaul::duplicates::undo::undo(&url, drop, &observer, &stop).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transfer, "{error:?}");
        assert!(error.to_string().contains(&format!("`public.{table}`")), "{error:?}");
        database.execute("drop function swallow() cascade").await.unwrap();
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// The second repair merges and deletes rows that the first one left behind.
#[tokio::test(flavor = "multi_thread")]
async fn repairs_of_the_same_rows_are_undone_one_after_the_other() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let (database, paper) = customers(major, "on delete cascade").await;
        let first = digests(&database).await;
        repair(&database.url(), &paper.plan()).await.unwrap();
        clean(&database).await;

        let session = database.connect().await.unwrap();
        // Copies of the same customers (the seed picks them), of which the newest stays now.
        plant_customers(&session, 1).await;
        let second = digests(&database).await;
        let newest = RULES.replace("lowest", "highest");
        let options =
            PlanOptions { rules: Rules::parse(&newest, "shop").unwrap(), ..PlanOptions::default() };
        let planned = plan_with(&database.url(), &options, &paper.other()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (5, 0));
        let repaired = repair(&database.url(), &paper.other()).await.unwrap();
        assert_eq!((repaired.skipped, repaired.deleted), (0, 5));
        let both = "select count(*) from pghaul.undo_row a join pghaul.undo_row b \
                    on b.repair > a.repair and b.was_ctid = a.now_ctid and b.was_xid = a.now_xid";
        let both: i64 = database.value(both).await.unwrap().unwrap().parse().unwrap();
        assert!(both >= 5, "{both} rows were touched by both repairs");
        clean(&database).await;

        undo(&database.url(), true).await.unwrap();
        equal(&second, &digests(&database).await);
        // What came after the first repair goes as it came.
        let ids = "select string_agg(id::text, ',') from customer where note = 'copy 1' \
                   and id > (select max(id) - 5 from customer)";
        let ids = database.value(ids).await.unwrap().unwrap();
        database
            .execute(format!(
                "delete from purchase where customer in ({ids}); delete from visit where customer in ({ids}); \
                 delete from customer where id in ({ids})"
            ))
            .await
            .unwrap();
        undo(&database.url(), true).await.unwrap();
        equal(&first, &digests(&database).await);
        let error = undo(&database.url(), true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RunState);
    }
}

/// The server's disk is full in the middle: what was committed is there with its undo rows, and both
/// ways are open.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_both_ways_open() {
    for back in [false, true] {
        let (database, paper) = customers(Major::V18, "on delete cascade").await;
        let before = digests(&database).await;
        let error = repair_while(&database, &paper, "change", |database| {
            database
                .execute(
                    "create function full_disk() returns trigger language plpgsql as
                       $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
                     create trigger full_disk before insert on pghaul.undo_row for each row execute procedure full_disk()",
                )
                .wait()
                .unwrap();
        });
        let error = error.await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("53100"), "{error:?}");
        assert_ne!(before, digests(&database).await);
        database.execute("drop function full_disk() cascade").await.unwrap();
        if back {
            undo(&database.url(), true).await.unwrap();
            equal(&before, &digests(&database).await);
        } else {
            let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
            assert_eq!((repaired.groups, repaired.skipped), (5, 0), "{:?}", repaired.findings);
            clean(&database).await;
        }
    }
}

/// A repair whose first batch failed: there is nothing to put back, so no index goes.
#[tokio::test(flavor = "multi_thread")]
async fn undo_of_a_repair_that_changed_nothing_drops_no_index() {
    let (database, paper) = customers(Major::V14, "on delete cascade").await;
    let first = Paper::new();
    let none = PlanOptions { tables: vec!["visit".to_owned()], ..shop() };
    plan_with(&database.url(), &none, &first.plan()).await.unwrap();
    repair(&database.url(), &first.plan()).await.unwrap();
    refuse_batches(&database, "insert");
    repair(&database.url(), &paper.plan()).await.unwrap_err();
    let begun = "select count(*) from pghaul.repair where finished is null";
    assert_eq!(database.value(begun).await.unwrap().as_deref(), Some("1"));
    let undone = undo(&database.url(), true).await.unwrap();
    assert_eq!((undone.rows, undone.statements), (0, Vec::new()));
    let unique =
        "select count(*) from pg_index where indisunique and indrelid = 'customer'::regclass";
    assert_eq!(database.value(unique).await.unwrap().as_deref(), Some("2"));
}

/// While one is at work, neither another repair nor an undo begins.
#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time() {
    let (database, paper) = alone(Major::V14).await;
    let session = database.connect().await.unwrap();
    let before = digests(&database).await;
    // As another process has it: by whatever lock the first one took.
    let held = std::sync::Mutex::new(None);
    repair_while(&database, &paper, "release", |database| {
        let locks = "select format('select pg_advisory_lock(%s)', (classid::int8 << 32) | objid::int8) from pg_locks \
                     where locktype = 'advisory' and objsubid = 1 \
                       and database = (select oid from pg_database where datname = current_database())";
        *held.lock().unwrap() = database.value(locks).wait().unwrap();
    })
    .await
    .unwrap();
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
    let lock = held.lock().unwrap().take().unwrap();
    session.execute(lock).await.unwrap();
    for error in [
        repair(&database.url(), &paper.plan()).await.unwrap_err(),
        undo(&database.url(), true).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
        assert!(error.to_string().contains("is at work"), "{error:?}");
    }
    equal(&before, &digests(&database).await);
}

/// Who may not write is told before anything is written, and so is who comes too late.
#[tokio::test(flavor = "multi_thread")]
async fn without_permission_or_table_nothing_begins() {
    let (database, paper) = alone(Major::V18).await;
    let before = digests(&database).await;
    let role = Role::create(database.server(), "reader", "").unwrap();
    let (reader, name) = (database.url_as(&role), database.name());
    let error = repair(&reader, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    assert!(error.to_string().contains("may not create the schema `pghaul`"), "{error:?}");
    let grants = format!(
        "grant select on a to \"{0}\"; grant create on database \"{name}\" to \"{0}\"",
        role.name
    );
    database.execute(grants).await.unwrap();
    let error = repair(&reader, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    assert!(error.to_string().contains("public.a: SELECT, UPDATE and DELETE"), "{error:?}");
    equal(&before, &digests(&database).await);
    database.execute("alter table a rename to b").await.unwrap();
    let error = repair(&database.url(), &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    assert!(error.to_string().contains("`public.a` of the plan is not there"), "{error:?}");
    let state = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(database.value(state).await.unwrap().as_deref(), Some("0"));
}

/// Who else is there is told before anything is written, and so is who stands in the way.
/// From 15 on, who owns a table need not be allowed to create an index in its schema.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_create_an_index_nothing_begins() {
    let (database, paper) = customers(Major::V18, "on delete cascade").await;
    let role = Role::create(database.server(), "no_index", "").unwrap();
    own(&database, &role).await;
    let name = &role.name;
    let sql = format!(
        "revoke all on schema public from \"{name}\"; grant usage on schema public to \"{name}\""
    );
    database.execute(sql).await.unwrap();
    let url = database.url_as(&role);
    let before = digests(&database).await;
    let error = repair(&url, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error}");
    assert!(format!("{error}").contains("CREATE on the schema `public`"), "{error}");
    assert_eq!(digests(&database).await, before);
    database.execute(format!("grant create on schema public to \"{name}\"")).await.unwrap();
    let repaired = repair(&url, &paper.plan()).await.unwrap();
    assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
    database.execute(format!("revoke create on schema public from \"{name}\"")).await.unwrap();
    let error = undo(&url, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error}");
    database.execute(format!("grant create on schema public to \"{name}\"")).await.unwrap();
    undo(&url, true).await.unwrap();
    equal(&before, &digests(&database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_named() {
    let (database, paper) = alone(Major::V18).await;
    // As short as a repair waits.
    let name = database.name();
    database
        .execute(format!("alter database \"{name}\" set deadlock_timeout = '1ms'"))
        .await
        .unwrap();
    let before = digests(&database).await;
    let other = database.connect().await.unwrap();
    other
        .execute("set application_name = 'sidekiq'; begin; update a set at = at where id = 50")
        .await
        .unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let observer = OnEvent(|event: &Event<'_>| match event {
        Event::Found(finding) => told.lock().unwrap().push(finding.message.clone()),
        Event::StepCommitted { object, .. } => told.lock().unwrap().push((*object).to_owned()),
        _ => {}
    });
    let error = with_batches_of(100, &database, &paper, &observer).await.unwrap_err();
    let told = std::mem::take(&mut *told.lock().unwrap());
    assert!(
        told[0].starts_with("1 sessions of sidekiq are connected, 1 in a transaction"),
        "{told:?}"
    );
    assert_eq!(told.len(), 1, "{told:?}");
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("`public.a` is locked by sidekiq (pid "), "{error:?} {hint}");
    other.execute("rollback").await.unwrap();
    equal(&before, &digests(&database).await);
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 6), "{:?}", repaired.findings);
    let found = repaired.findings.iter().find(|finding| finding.code == "other_sessions").unwrap();
    assert_eq!(found.severity, pghaul::Severity::Note);
}

/// Rebuilt indexes are other indexes before 12: undo finds them, and drops them.
#[tokio::test(flavor = "multi_thread")]
async fn undo_after_a_rebuild() {
    for major in [Major::V9_6, Major::V18] {
        let (database, paper) = customers(major, "on delete cascade").await;
        let before = digests(&database).await;
        repair(&database.url(), &paper.plan()).await.unwrap();
        let rebuilt = crate::rebuild::rebuild(&database, crate::rebuild::all()).await;
        crate::rebuild::assert_all_rebuilt(&rebuilt, &major.to_string());
        let error = undo(&database.url(), false).await.unwrap_err();
        assert!(error.to_string().contains("public.customer_name"), "{error:?}");
        let undone = undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
        assert!(orphans(&database).await.is_empty());
        // The statements bring back what was dropped, once the duplicates are gone again.
        database
            .execute("update customer set name = name || id where note like 'copy%'")
            .await
            .unwrap();
        for statement in undone.statements {
            database.execute(statement).await.unwrap();
        }
        clean(&database).await;
        let unique = "select indisunique and indisvalid from pg_index where indexrelid = 'customer_name'::regclass";
        assert_eq!(database.value(unique).await.unwrap().as_deref(), Some("t"), "{major}");
    }
}
