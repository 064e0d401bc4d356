//! Carries a Postgres database to another server, another major version or an archive, and
//! proves that nothing was lost on the way.
//!
//! Invariants of the whole crate: it prints nothing, installs no signal handler, and never
//! writes to a source. All state of a run lives in the target.

pub mod archive;
pub mod catalog;
pub mod connect;
pub mod dump;
pub mod duplicates;
pub mod error;
pub mod event;
pub mod finding;
pub mod holder;
pub mod manual;
pub mod name;
pub mod pg_dump;
pub mod plan;
pub mod preflight;
pub mod rebuild;
pub mod restore;
pub mod run;
pub mod schema;
pub mod snapshot;
pub mod state;
pub mod status;
pub mod transfer;
pub mod verify;
pub mod version;

pub use error::{Error, ErrorKind};
pub use finding::{Finding, Severity};
