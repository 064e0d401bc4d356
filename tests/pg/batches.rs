//! Small steps that are carried out together: one that fails for now is done afterwards, and the
//! others of its batch are not done twice.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Stop};
use pghaul_testbed::Major;
use pghaul_testbed::oracle::{self, Options as OracleOptions};

use crate::harness::{OnEvent, database, options, prepare};

/// How the second of three steps fails while somebody has advisory lock 77 of the target.
const FAILURES: [(&str, &str); 3] = [
    ("55P03", "raise exception 'not now' using errcode = '55P03'"),
    ("57014", "perform pg_cancel_backend(pg_backend_pid()), pg_sleep(60)"),
    ("57P01", "perform pg_terminate_backend(pg_backend_pid()), pg_sleep(60)"),
];

/// Three indexes of one table, built by the only lane for steps: all are ready at the same instant, so
/// they are one batch.
async fn one_of_a_batch_fails_for_now(major: Major, (sqlstate, fails): (&'static str, &str)) {
    let (source, target) = (database(major, "batch_src"), database(major, "batch_dst"));
    source
        .execute(format!(
            "create function later(v int) returns int immutable language plpgsql as $$ begin
               if current_database() like 'batch_dst%' and not pg_try_advisory_xact_lock(77) then
                 {fails};
               end if;
               return v;
             end $$;
             create table t (v int);
             insert into t select g from generate_series(1, 100) g;
             create index i1 on t ((v + 1));
             create index i2 on t (later(v));
             create index i3 on t ((v + 3));
             analyze t"
        ))
        .await
        .unwrap();
    let held = target.connect().await.unwrap();
    held.execute("select pg_advisory_lock(77)").await.unwrap();
    let (held, told) = (Mutex::new(Some(held)), Arc::new(Mutex::new(Vec::new())));
    let ears = Arc::clone(&told);
    let observer = OnEvent(move |event: &Event<'_>| {
        let mut told = ears.lock().unwrap();
        match event {
            Event::StepStarted { kind: "INDEX", object } => told.push(format!("begin {object}")),
            Event::StepCommitted { kind: "INDEX", object, .. } => {
                told.push(format!("done {object}"));
            }
            Event::Retrying { what, .. } => {
                told.push(format!("again {}", what.contains(sqlstate)));
                drop(held.lock().unwrap().take());
            }
            _ => {}
        }
    });
    let one = CloneOptions { index_jobs: NonZeroUsize::MIN, ..options() };
    let prepared = prepare(&source.url(), &target.url(), one).await.unwrap();
    let outcome = prepared
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    let told = told.lock().unwrap().join("\n").replace("public.", "");
    assert_eq!(outcome.ending, Ending::Complete, "{told}");
    let began = "begin i1\nbegin i2\nbegin i3\n";
    assert!(told.starts_with(began), "no batch: {told}");
    let of = |what: &str| told.lines().filter(|line| *line == what).count();
    // Whoever was sent something behind it only learns that the connection is gone.
    let others = if sqlstate == "57P01" { 0 } else { of("again false") };
    assert!(told.contains("again") && others == 0, "{told}");
    for index in ["done i1", "done i2", "done i3"] {
        assert_eq!(of(index), 1, "{told}");
    }
    // A session that is gone tells nobody what it had done.
    if sqlstate != "57P01" {
        let others = format!("{began}done i1\ndone i3\n");
        assert!(told.starts_with(&others) && told.ends_with("done i2"), "{told}");
        assert_eq!((of("begin i1"), of("begin i3")), (1, 1), "done twice: {told}");
    }
    let all = OracleOptions::new();
    oracle::compare(&source.url(), &target.url(), &all).await.unwrap().check().unwrap();
    let once = "select count(*) from pghaul.step where kind = 'INDEX'";
    assert_eq!(target.value(once).await.unwrap().as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_for_now_in_the_middle_of_a_batch_is_done_afterwards() {
    for failure in FAILURES {
        tokio::join!(
            one_of_a_batch_fails_for_now(Major::V9_6, failure),
            one_of_a_batch_fails_for_now(Major::V18, failure),
        );
    }
}
