//! Keys that rows give up: nothing that means anything to anybody, and given back where the group is
//! left alone in the end.

use std::sync::atomic::{AtomicBool, Ordering};

use pghaul::duplicates::plan::PlanOptions;
use pghaul::duplicates::repair::RepairOptions;
use pghaul::duplicates::rules::Rules;
use pghaul::event::Event;
use pghaul::run::Stop;
use pghaul_testbed::{Major, Role};

use super::guards::{customers, groups, keys_of_others, repair_while, shop};
use super::mastodon::equal;
use super::{Paper, clean, digests, orphans, plan_with, repair, under_a_broken_index, undo};
use crate::harness::{OnEvent, database};

/// The row that stays gets another name between the batches: the other has its own back, and both are
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_has_any_more_is_put_back() {
    for major in [Major::V9_6, Major::V18] {
        let (database, paper) = customers(major, "on delete cascade").await;
        let (keep, id) = (groups(&paper).pop().unwrap().0, keys_of_others(&paper).pop().unwrap());
        let name_of_other = format!("select name from customer where id = {id}");
        let name = database.value(name_of_other.clone()).await.unwrap().unwrap();
        let keep = format!("select id from customer where ctid = '{keep}'");
        let keep = database.value(keep).await.unwrap().unwrap();
        let repaired = repair_while(&database, &paper, "rebuild", |database| {
            let other = database.value(name_of_other.clone()).wait().unwrap().unwrap();
            assert!(other.starts_with("pghaul "), "{other}");
            let renamed = format!("update customer set name = 'another' where id = {keep}");
            database.execute(renamed).wait().unwrap();
        })
        .await
        .unwrap();
        assert_eq!((repaired.groups, repaired.skipped, repaired.keyless), (5, 1, 0));
        assert!(repaired.findings.iter().all(|finding| finding.code != "keys_given_up"));
        let names = database
            .value(format!(
                "select (select name from customer where id = {id}) || ' ' || \
                        (select name from customer where id = {keep})"
            ))
            .await
            .unwrap();
        assert_eq!(names, Some(format!("{name} another")));
        assert!(orphans(&database).await.is_empty());
        clean(&database).await;
    }
}

/// Stopped while keys are put back: those that cannot be are counted by the call that ends it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_stay_away_are_counted_after_a_stop_too() {
    let (database, paper) = customers(Major::V14, "on delete cascade").await;
    let (stop, done) = (Stop::default(), AtomicBool::new(false));
    let ids = keys_of_others(&paper);
    let observer = OnEvent(|event: &Event<'_>| {
        let Event::StepCommitted { object, .. } = event else { return };
        if object.starts_with("rebuild") && !done.swap(true, Ordering::SeqCst) {
            for id in &ids[..3] {
                let sql = format!("insert into visit (id, customer) values (1000 + {id}, {id})");
                database.execute(sql).wait().unwrap();
            }
        }
        if object.starts_with("put back") {
            stop.soon.cancel();
        }
    });
    let options = RepairOptions { batch_rows: 1, ..RepairOptions::default() };
    let url = super::endpoint(&database.url());
    let stopped =
        pghaul::duplicates::repair::repair(&url, &paper.plan(), options, &observer, &stop).await;
    let stopped = stopped.unwrap();
    assert!(stopped.stopped, "{stopped:?}");
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.keyless), (3, 3), "{:?}", repaired.findings);
    // Who plans again finds no duplicates, and is told why.
    let planned = plan_with(&database.url(), &shop(), &paper.other()).await.unwrap();
    assert_eq!(planned.counts.groups, 0);
    let told = planned.findings.iter().find(|finding| finding.code == "keys_given_up").unwrap();
    assert!(told.message.starts_with("3 rows"), "{told:?}");
    // A role that may not look into schema pghaul plans all the same.
    let role = Role::create(database.server(), "reader", "").unwrap();
    let grant = format!("grant select on all tables in schema public to \"{}\"", role.name);
    database.execute(grant).await.unwrap();
    let planned = plan_with(&database.url_as(&role), &shop(), &paper.other()).await.unwrap();
    assert!(planned.findings.iter().all(|finding| finding.code != "keys_given_up"));
    database.execute("delete from visit where id > 400").await.unwrap();
    undo(&database.url(), true).await.unwrap();
    let planned = plan_with(&database.url(), &shop(), &paper.other()).await.unwrap();
    assert!(planned.findings.iter().all(|finding| finding.code != "keys_given_up"));
}

/// Rows give up a key where that is nothing to anybody: NULL before a value that nobody has, and never
/// what others refer by.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_means_nothing() {
    let rules = |table: &str| {
        let text = format!(
            "format = 1\nname = 'x'\n[[table]]\nname = '{table}'\nkeep = [{{ lowest = 'id' }}]"
        );
        PlanOptions { rules: Rules::parse(&text, "x").unwrap(), ..PlanOptions::default() }
    };
    for major in [Major::V9_6, Major::V18] {
        // No other code would do; and a name can be missing.
        let database = database(major, "given_up");
        database
            .execute(
                "create table coded (id int primary key, code text not null check (code ~ '^[A-Z]$'), name text);
                 create unique index coded_both on coded (code, name);
                 create table of_coded (coded int references coded);
                 insert into coded select g, chr(64 + g), 'n' || g from generate_series(1, 20) g;
                 create table keyed (id int, shard text, label text not null, primary key (id, shard));
                 create unique index keyed_label on keyed (shard, label);
                 create table of_keyed (id int, shard text, foreign key (id, shard) references keyed);
                 insert into keyed select g, 's', 'l' || g from generate_series(1, 20) g",
            )
            .await
            .unwrap();
        let twins = "insert into coded select 100 + id, code, name from coded where id < 4;
                     insert into of_coded select id from coded;
                     insert into keyed select 100 + id, shard, label from keyed where id < 4;
                     insert into of_keyed select id, shard from keyed";
        database
            .execute(under_a_broken_index(&["coded_both", "keyed_label"], twins))
            .await
            .unwrap();
        let before = digests(&database).await;
        for table in ["coded", "keyed"] {
            let paper = Paper::new();
            let planned = plan_with(&database.url(), &rules(table), &paper.plan()).await.unwrap();
            assert_eq!(planned.counts.groups, 3, "{major} {table}");
            let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
            assert_eq!(
                (repaired.skipped, repaired.deleted),
                (0, 3),
                "{major} {table}: {:?}",
                repaired.findings
            );
        }
        clean(&database).await;
        let children = "select (select count(*) from of_coded where coded < 100) || ' ' || (select count(*) from of_keyed where id < 100)";
        assert_eq!(database.value(children).await.unwrap().as_deref(), Some("23 23"), "{major}");
        for _ in 0..2 {
            undo(&database.url(), true).await.unwrap();
        }
        equal(&before, &digests(&database).await);
    }
}
