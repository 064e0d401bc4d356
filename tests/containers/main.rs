//! Faults that need hosts: frozen ones, ones that the network forgets, ones without room on their
//! disk. Needs Docker: `cargo test -p pghaul-cli --features containers --test containers`.
//!
//! Invariants: real servers, the binary as a black box; a container that cannot be had is a
//! failure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../cli/command.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use all of it")]
mod command;
mod crashes;
mod cuts;
mod disk;
mod hosts;
mod pair;
mod pauses;
