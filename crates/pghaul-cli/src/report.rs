//! Results: for people on stdout, or as one JSON object.
//!
//! Invariant: the types of the JSON are here and nowhere else; the engine's may change.

pub mod archive;
pub mod check;
pub mod clone;
pub mod dump;
pub mod failure;
pub mod findings;
pub mod log;
pub mod plan;
pub mod rebuild;
pub mod repair;
pub mod result_file;
pub mod rows;
pub mod scan;
pub mod status;
pub mod verify;
pub mod wire;

use pghaul::Severity;
use pghaul::event::Phase;
use pghaul::state::DatabaseIdentity;
use pghaul::version::ServerVersion;

/// `mastodon (PostgreSQL 9.6.24)`.
pub fn database(identity: &DatabaseIdentity) -> String {
    format!("{} (PostgreSQL {})", identity.database, ServerVersion::from_num(identity.version))
}

/// A phase by its name in JSON and in lists.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "prepare",
        Phase::PreData => "pre_data",
        Phase::Data => "data",
        Phase::PostData => "post_data",
    }
}

/// A severity by its name.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Blocker => "blocker",
    }
}
