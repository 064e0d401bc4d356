//! The engine on real servers: one server per major for all tests here, one database per test.

#![expect(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

mod clone;
mod connect;
mod harness;
mod preflight;
