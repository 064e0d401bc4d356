//! A role that is no superuser but a member of the owners, as on a managed server.

use std::collections::HashSet;

use pghaul::connect::{Endpoint, Purpose, Side};
use pghaul::name::Ident;
use pghaul::schema::step::{Keys, Privileges, Subscriptions, Validation};
use pghaul::schema::{
    EmitOptions, RoleTrouble, RunsAs, StepOptions, missing_grants, objects, owner_grants,
    role_troubles, roles, steps,
};
use pghaul_testbed::servers::quote_identifier;
use pghaul_testbed::{Database, Major, Role};

use super::{all_steps, carried, differences, dump, empty, run, session};

const OWNED: &str = include_str!("owned.sql");
const OWNERS: [&str; 3] = ["pghaul_owner_a", "pghaul_owner_b", "pghaul Odd Owner"];

/// The target's database belongs to a role that is a member of the owners.
fn give_to(database: &Database<'_>, mover: &Role, major: Major) {
    let name = quote_identifier(&mover.name);
    let mut sql = format!("alter database {} owner to {name};", quote_identifier(database.name()));
    for role in OWNERS.iter().chain(&["pghaul_reader"]) {
        let how = if major >= Major::V16 { " with inherit true, set true" } else { "" };
        sql.push_str(&format!("grant {} to {name}{how};", quote_identifier(role)));
    }
    database.execute(sql).wait().unwrap();
}

async fn check(from: Major, to: Major) {
    let source = empty(from);
    source.execute(OWNED).wait().unwrap();
    let entries = dump(&source).await.entries;

    let target = empty(to);
    let mover = Role::create(target.server(), "mover", "").unwrap();
    give_to(&target, &mover, to);
    let endpoint = Endpoint::parse(Side::Target, &target.url_as(&mover)).unwrap();
    let session_of_mover = endpoint.connect(Purpose::Schema, "test").await.unwrap();
    let grants = owner_grants(&entries, target.name());
    let grants = missing_grants(&session_of_mover, &grants).await.unwrap();
    assert!(!grants.is_empty());
    let options = StepOptions {
        emit: EmitOptions { runs_as: RunsAs::Member, ..carried(session_of_mover.version()) },
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Leave,
        keys: Keys::IndexFirst,
        validation: Validation::Now,
        refresh: &HashSet::new(),
        owner_grants: &grants,
    };
    let troubles = role_troubles(&session_of_mover, &roles(&entries, &options)).await.unwrap();
    assert!(troubles.is_empty(), "{troubles:?}");
    let steps = steps(&entries, &options).unwrap();
    let failed = run(&session_of_mover, &steps).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let lost: Vec<String> = steps
        .iter()
        .flat_map(|step| step.losses.iter().map(|loss| format!("{}: {loss}", step.key)))
        .collect();
    assert_eq!(
        lost,
        [
            "SCHEMA public: its owner: it stays with the one that it has",
            "FUNCTION app.leaks(integer): LEAKPROOF, which only a superuser may give",
        ]
    );

    let control = empty(to);
    let superuser = session(&control).await;
    let failed = run(&superuser, &all_steps(&entries, superuser.version())).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let mut differences = differences(&dump(&control).await.entries, &dump(&target).await.entries);
    differences.retain(|one| !one.contains("SCHEMA public"));
    assert_eq!(differences.len(), 2, "{differences:#?}");
    assert!(differences.iter().all(|one| one.contains("app.leaks(")), "{differences:#?}");
}

#[tokio::test]
async fn from_9_6_to_14() {
    check(Major::V9_6, Major::V14).await;
}

#[tokio::test]
async fn from_14_to_18() {
    check(Major::V14, Major::V18).await;
}

/// All roles that are missing, and all that cannot be used, at once and before anything is run.
#[tokio::test]
async fn troubles_with_roles_are_told_beforehand() {
    let source = empty(Major::V14);
    source.execute(OWNED).wait().unwrap();
    let gone = source.server().unique_name("gone");
    let quoted = quote_identifier(&gone);
    source
        .execute(format!(
            "create role {quoted}; grant select on app.people to {quoted}; \
             create policy only_gone on app.people to {quoted} using (true)"
        ))
        .wait()
        .unwrap();
    let entries = dump(&source).await.entries;
    source.execute(format!("drop owned by {quoted}; drop role {quoted}")).wait().unwrap();

    let target = empty(Major::V18);
    let mover = Role::create(target.server(), "mover", "").unwrap();
    target
        .execute(format!("grant pghaul_owner_a to {}", quote_identifier(&mover.name)))
        .wait()
        .unwrap();
    let endpoint = Endpoint::parse(Side::Target, &target.url_as(&mover)).unwrap();
    let session = endpoint.connect(Purpose::Schema, "test").await.unwrap();
    let options = StepOptions {
        emit: carried(session.version()),
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Leave,
        keys: Keys::IndexFirst,
        validation: Validation::Now,
        refresh: &HashSet::new(),
        owner_grants: &[],
    };
    let used = roles(&entries, &options);
    let troubles = role_troubles(&session, &used).await.unwrap();
    let of = |name: &str| {
        troubles.iter().find(|(role, _)| *role == Ident::new(name)).map(|(_, trouble)| *trouble)
    };
    assert_eq!(of(&gone), Some(RoleTrouble::Missing));
    assert_eq!(used[&Ident::new(gone.as_str())].named, 2);
    assert_eq!(of("pghaul_owner_b"), Some(RoleTrouble::NotMember));
    assert_eq!(of("pghaul_owner_a"), None);
    // It is only granted something, so nobody needs to be able to become it.
    assert_eq!(of("pghaul_reader"), None);
}

/// What is in the way on a target that is not empty.
#[tokio::test]
async fn what_is_there_already_is_named() {
    for (from, to) in [(Major::V14, Major::V18), (Major::V9_6, Major::V9_6)] {
        let source = empty(from);
        source.execute(OWNED).wait().unwrap();
        let entries = dump(&source).await.entries;
        let wanted = objects(&entries);
        let target = empty(to);
        let control = session(&target).await;
        let existing = pghaul::schema::existing(&control, &wanted).await.unwrap();
        assert_eq!(existing, [], "{to:?}");
        target
            .execute(
                "create schema app; create view app.people as select 1 as a; \
                 create function app.leaks(integer) returns text language sql as 'select ''other''::text'; \
                 create function app.touch(integer) returns text language sql as 'select ''other''::text'; \
                 create type app.mood as (a int)",
            )
            .wait()
            .unwrap();
        let existing = pghaul::schema::existing(&control, &wanted).await.unwrap();
        let existing: Vec<String> =
            existing.iter().map(|object| format!("{} {}", object.kind, object.tag)).collect();
        assert_eq!(
            existing,
            ["SCHEMA app", "TYPE mood", "FUNCTION leaks(integer)", "TABLE people"],
            "{to:?}"
        );
    }
}
