//! The engine on real servers: one server per major for all tests here, one database per test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod archive;
mod batches;
mod cancel;
mod catalog;
mod clone;
mod conflicts;
mod connect;
mod data_only;
mod ddl;
mod deferred;
mod duplicates;
mod example;
mod extensions;
mod faults;
mod finished;
mod formats;
mod frozen;
mod harness;
mod hazards;
mod kept_findings;
mod left_alone;
mod letting_go;
mod many_tables;
mod moment;
mod observer;
mod pairs;
mod parts;
mod preflight;
mod promises;
mod rebuild;
mod repair;
mod restart;
mod restart_tables;
mod resume;
mod reverify;
mod schema;
mod schema_public;
mod search_paths;
mod silence;
mod slow_link;
mod trees;
mod unlogged;
mod verify;
mod worker;
