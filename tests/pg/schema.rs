//! The schema: what `pg_dump` wrote, read and run by pghaul, compared with what `pg_restore` makes
//! of it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod filters;
mod hostile;
mod members;
mod pairs;
mod parallel;
mod programs;
mod secrets;
mod text;

use std::collections::HashSet;
use std::ffi::OsString;

use pghaul::connect::{Endpoint, Purpose, Session, Side};
use pghaul::pg_dump::{Contents, DumpRequest, PgDump};
use pghaul::schema::step::{Keys, Privileges, Subscriptions, Validation};
use pghaul::schema::{
    EmitOptions, Entry, Owners, RunsAs, Step, StepOptions, Tablespaces, Toc, steps,
};
use pghaul::version::ServerVersion;
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::{Database, Major, Server, clients, mastodon};

use crate::harness::database;

/// The files of `rich/`, by the major version that knows what they make.
const RICH: [(Major, &str); 10] = [
    (Major::V9_6, include_str!("schema/rich/9.6.sql")),
    (Major::V10, include_str!("schema/rich/10.sql")),
    (Major::V11, include_str!("schema/rich/11.sql")),
    (Major::V12, include_str!("schema/rich/12.sql")),
    (Major::V13, include_str!("schema/rich/13.sql")),
    (Major::V14, include_str!("schema/rich/14.sql")),
    (Major::V15, include_str!("schema/rich/15.sql")),
    (Major::V16, include_str!("schema/rich/16.sql")),
    (Major::V17, include_str!("schema/rich/17.sql")),
    (Major::V18, include_str!("schema/rich/18.sql")),
];

/// The roles that own things in `rich/`.
pub(crate) fn make_roles(server: &Server) {
    server.execute(include_str!("schema/rich/roles.sql")).wait().unwrap();
}

/// A database with everything that a major knows.
fn rich(major: Major) -> Database<'static> {
    make_roles(Server::shared(major).unwrap());
    let rich = database(major, "rich");
    let session = rich.connect().wait().unwrap();
    for (since, sql) in RICH {
        if since <= major {
            session.execute(sql).wait().unwrap_or_else(|error| panic!("{since:?}: {error:?}"));
        }
    }
    rich
}

/// A database with every type and every kind of object, as the testbed makes it.
fn every_type(major: Major) -> Database<'static> {
    let made = empty(major);
    // Not what makes a database one that cannot be dropped.
    let families = Families::default().without("replication");
    every_type::load(&made, &families).wait().unwrap();
    made
}

/// The schema of a Mastodon.
fn mastodon(major: Major, version: mastodon::Version) -> Database<'static> {
    let made = empty(major);
    let shape = mastodon::Shape { version, statuses: 1, seed: 1 };
    let session = made.connect().wait().unwrap();
    for stage in shape.ddl_before_data().into_iter().chain(shape.ddl_after_data()) {
        session.execute(stage.sql).wait().unwrap();
    }
    made
}

/// An empty database of a server that has the roles.
fn empty(major: Major) -> Database<'static> {
    let server = Server::shared(major).unwrap();
    make_roles(server);
    every_type::create_roles(server).wait().unwrap();
    database(major, "made")
}

/// What a child needs to reach a database as the superuser.
fn environment(database: &Database<'_>) -> Vec<(String, OsString)> {
    let server = database.server();
    [
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &server.port().to_string()),
        ("PGUSER", "postgres"),
        ("PGPASSWORD", server.password()),
        ("PGDATABASE", database.name()),
    ]
    .map(|(name, value)| (name.to_owned(), value.into()))
    .to_vec()
}

fn request(database: &Database<'_>) -> DumpRequest {
    DumpRequest {
        side: Side::Source,
        environment: environment(database),
        snapshot: None,
        contents: Contents::Schema,
        exclude: Vec::new(),
        lock_wait: None,
        server: None,
    }
}

async fn dump(database: &Database<'_>) -> Toc {
    let program = PgDump::named(&clients().unwrap().pg_dump()).await.unwrap();
    program.dump(&request(database)).await.unwrap().toc
}

async fn session(database: &Database<'_>) -> Session {
    let endpoint = Endpoint::parse(Side::Target, &database.url()).unwrap();
    endpoint.connect(Purpose::Schema, "test").await.unwrap()
}

/// As a superuser, everything carried.
fn carried(target: ServerVersion) -> EmitOptions {
    EmitOptions {
        target,
        owners: Owners::Carry,
        tablespaces: Tablespaces::Carry,
        runs_as: RunsAs::Superuser,
    }
}

/// All steps, as a superuser.
fn all_steps(entries: &[Entry], target: ServerVersion) -> Vec<Step> {
    let options = StepOptions {
        emit: carried(target),
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Leave,
        keys: Keys::IndexFirst,
        validation: Validation::Now,
        refresh: &HashSet::new(),
        owner_grants: &[],
    };
    steps(entries, &options).unwrap()
}

/// Runs the steps in their order, each in a transaction of its own; tells which failed and why.
async fn run(session: &Session, steps: &[Step]) -> Vec<String> {
    let mut failed = Vec::new();
    for step in steps {
        if let Err(error) = run_one(session, step).await {
            failed.push(format!("{}: {:?}", step.key, step.failure(error)));
        }
    }
    failed
}

async fn run_one(session: &Session, step: &Step) -> Result<(), pghaul::Error> {
    let ran = session.batch("run a step", &format!("begin;\n{}\ncommit", step.sql())).await;
    if ran.is_err() {
        session.batch("give up a step", "rollback").await?;
    }
    ran
}

/// What two schemas, dumped by the same program, differ in.
fn differences(theirs: &[Entry], ours: &[Entry]) -> Vec<String> {
    let rows = |entries: &[Entry]| -> HashSet<(String, String, String)> {
        let rows = entries.iter().filter(|entry| !pghaul::schema::step::is_skipped(entry));
        rows.map(|entry| {
            (
                entry.to_string(),
                entry.owner.clone().unwrap_or_default(),
                format!("{}\n{:?} {:?}", entry.defn, entry.tablespace, entry.table_am),
            )
        })
        .collect()
    };
    let (theirs, ours) = (rows(theirs), rows(ours));
    let mut differences: Vec<String> = theirs
        .difference(&ours)
        .map(|row| format!("only theirs: {row:?}"))
        .chain(ours.difference(&theirs).map(|row| format!("only ours: {row:?}")))
        .collect();
    differences.sort();
    differences
}
