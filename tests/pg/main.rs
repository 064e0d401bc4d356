//! The engine on real servers. Servers come from the testbed: one by major for the whole binary,
//! one database for each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod connect;
