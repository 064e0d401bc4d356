//! Statements that hold passwords: user mappings and subscriptions.

use std::collections::HashSet;

use pghaul::schema::step::{Keys, Privileges, Subscriptions, Validation};
use pghaul::schema::{Kind, Step, StepOptions, steps};
use pghaul_testbed::{Database, Major};

use super::{carried, dump, empty, run_one, session};
use crate::connect::told;

/// Drops the subscription, without which the database cannot be dropped.
struct Subscribed<'a>(&'a Database<'static>);

impl Drop for Subscribed<'_> {
    fn drop(&mut self) {
        let detach = "alter subscription pghaul_sub set (slot_name = none)";
        for sql in [detach, "drop subscription if exists pghaul_sub"] {
            let _ = self.0.execute(sql).wait();
        }
    }
}

const MAPPED: &str = "
    create extension postgres_fdw;
    create server away foreign data wrapper postgres_fdw options (host 'nowhere.example.org');
    create user mapping for public server away options (user 'u', password 'hunter2');
";

async fn check(from: Major, to: Major) {
    let source = empty(from);
    source.execute(MAPPED).wait().unwrap();
    source.execute(include_str!("rich/subscription.sql")).wait().unwrap();
    let _subscribed = Subscribed(&source);
    let entries = dump(&source).await.entries;
    let target = empty(to);
    let control = session(&target).await;
    let options = StepOptions {
        emit: carried(control.version()),
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Carry,
        keys: Keys::IndexFirst,
        validation: Validation::Now,
        refresh: &HashSet::new(),
        owner_grants: &[],
    };
    let steps = steps(&entries, &options).unwrap();
    assert!(!format!("{steps:?} {entries:?}").contains("hunter"));
    let of = |kind: Kind| -> &Step { steps.iter().find(|step| step.kind == kind).unwrap() };
    // Its server is not there yet.
    let mapping = of(Kind::UserMapping);
    let error = mapping.failure(run_one(&control, mapping).await.unwrap_err());
    assert!(told(&error).contains("42704") && told(&error).contains("withheld"), "{error:?}");

    let _subscribed_too = Subscribed(&target);
    for step in &steps {
        run_one(&control, step).await.unwrap_or_else(|error| panic!("{}: {error:?}", step.key));
    }
    let passwords = "select subconninfo || (select string_agg(option, ',' order by option) \
                     from pg_user_mapping, unnest(umoptions) as option) \
                     from pg_subscription join pg_database on pg_database.oid = subdbid \
                     where datname = current_database()";
    let passwords = |database: &Database<'_>| database.value(passwords).wait().unwrap().unwrap();
    assert_eq!(passwords(&source), passwords(&target));
    assert!(passwords(&target).contains("hunter2") && passwords(&target).contains("hunter3"));
    let subscription = of(Kind::Subscription);
    let error = subscription.failure(run_one(&control, subscription).await.unwrap_err());
    assert!(!told(&error).contains("hunter") && told(&error).contains("42710"), "{error:?}");
}

#[tokio::test]
async fn from_14_to_14() {
    check(Major::V14, Major::V14).await;
}

#[tokio::test]
async fn from_10_to_13() {
    check(Major::V10, Major::V13).await;
}

#[tokio::test]
async fn from_16_to_18() {
    check(Major::V16, Major::V18).await;
}
