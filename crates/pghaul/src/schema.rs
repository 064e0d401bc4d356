//! The schema: `pg_dump` says it, we read its archive's table of contents and run the entries
//! ourselves, each as a step of its own.
//!
//! Invariants: what a source's DDL says is data. It never goes through psql, it is never split
//! as text (the scanner reads tokens), and it is never shown: the statement of a user mapping
//! or a subscription holds a password.

pub mod emit;
pub mod entry;
mod scan;
pub mod toc;

pub use emit::{EmitOptions, Emitted, Owners, RunsAs, Tablespaces};
pub use entry::{DumpId, Entry, Kind, Section};
pub use toc::{Toc, TocError};
