//! The engine on real servers: one server per major for all tests here, one database per test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod archive;
mod clone;
mod connect;
mod data_only;
mod duplicates;
mod extensions;
mod faults;
mod harness;
mod hazards;
mod left_alone;
mod moment;
mod pairs;
mod parts;
mod preflight;
mod promises;
mod rebuild;
mod repair;
mod restart;
mod resume;
mod schema;
mod worker;
