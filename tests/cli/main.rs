//! The binary as a black box: stdout, stderr and exit code, on real servers.
//!
//! Invariants: the binary gets nothing from the environment of the tests but what a test gives
//! it; a server that cannot be had is a failure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod archive;
mod archive_kills;
mod command;
mod disk;
mod exit_codes;
mod kills;
mod large_table;
mod memory;
mod output;
mod rebuild;
mod repair;
mod restore;
mod results;
mod scan;
mod secrets;
mod signals;
mod verify;
mod verify_state;
mod waits;
mod workers;
