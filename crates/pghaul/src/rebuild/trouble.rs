//! What can be wrong in the end, in words: one place for the findings of a rebuild.

use std::time::Duration;

use super::index::{Index, IndexRule};
use super::leftovers::Leftover;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::holder::Holder;
use crate::name::RelationName;

/// An error with its causes in one line.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut below = std::error::Error::source(error);
    while let Some(layer) = below {
        text.push_str(": ");
        text.push_str(&layer.to_string());
        below = layer.source();
    }
    text
}

/// Whether rows forbid the index: two share its key (SQLSTATE 23505), or exclude each other (23P01).
pub(super) fn is_of_rows(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("23505" | "23P01"))
}

pub(super) fn gone(index: &Index) -> Finding {
    Finding::new(
        Severity::Note,
        "index_gone",
        "it was dropped by somebody else before its turn",
        "nothing",
    )
    .about(&index.name)
}

pub(super) fn gave_up(index: &Index, holders: &[Holder], waited: Duration) -> Finding {
    let who: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let remedies: Vec<String> = holders.iter().map(Holder::remedy).collect();
    Finding::new(
        Severity::Warning,
        "gave_up_waiting",
        format!("given up after {} s of waiting for {}", waited.as_secs(), who.join(", ")),
        format!("end them ({}), then run `pghaul rebuild` again", remedies.join("; ")),
    )
    .about(&index.name)
}

pub(super) fn failed(index: &Index, error: &Error) -> Finding {
    let remedy = match error.sqlstate() {
        // Program limit exceeded: a key longer than a third of a page.
        Some("54000") => {
            "shorten the key of the rows that are too long, or index a digest of it; the index \
             stays as it was"
        }
        Some("53100") => "make room on the server's disk; the index stays as it was",
        Some("42501") => "connect as the owner of the table; the index stays as it was",
        _ => "mend the cause, then run `pghaul rebuild` again; the index stays as it was",
    };
    Finding::new(Severity::Warning, "rebuild_failed", chain(error), remedy).about(&index.name)
}

/// `parts`: of a partitioned index, what is wrong with its parts.
pub(super) fn still_invalid(index: &Index, parts: Option<String>) -> Finding {
    let (message, remedy) = match parts {
        Some(parts) => (
            format!("it is still not valid: {parts}"),
            "mend the parts, create and ATTACH those that are missing; if all are there and valid (11 \
             to 13), CREATE INDEX CONCURRENTLY one like it on each partition, then CREATE INDEX on the \
             partitioned table, which takes these as its parts, and drop the old one",
        ),
        None => ("it is still not valid".to_owned(), "run `pghaul rebuild` again, or drop it"),
    };
    Finding::new(Severity::Warning, "invalid_index", message, remedy).about(&index.name)
}

pub(super) fn still_damaged(index: &Index, message: &str) -> Finding {
    let remedy = match index.rule {
        _ if index.method == "gin" => {
            "take the server's newest minor release, whose gin_index_check has its known mistakes \
             mended; if it still says so, the server's disk, memory or C library is at fault"
        }
        IndexRule::Unique => {
            "look for duplicates with `pghaul duplicates scan`; if there are none, the server's \
             disk, memory or C library is at fault"
        }
        IndexRule::Plain | IndexRule::Exclusion => {
            "the server's disk, memory or C library is at fault: a new index is damaged too"
        }
    };
    Finding::new(
        Severity::Blocker,
        "damaged_index",
        format!("after the rebuild, amcheck: {message}"),
        remedy,
    )
    .about(&index.name)
}

pub(super) fn left_behind(leftover: &Leftover) -> Finding {
    Finding::new(
        Severity::Warning,
        "leftover_index",
        format!(
            "an index that is not valid was left behind beside {}, and could not be dropped yet",
            leftover.replaces
        ),
        "run `pghaul rebuild` again when the sessions that use the table have ended, or drop it",
    )
    .about(&leftover.name)
}

pub(super) fn old_snapshot(holder: &Holder) -> Finding {
    Finding::new(
        Severity::Note,
        "old_snapshot",
        format!("{holder} holds a snapshot or a lock: concurrent builds wait until it ends"),
        holder.remedy(),
    )
}

pub(super) fn view_not_refreshed(view: &RelationName) -> Finding {
    Finding::new(
        Severity::Warning,
        "view_not_refreshed",
        "its rows may have been computed through a damaged index, and an index of a table that it \
         reads could not be rebuilt: only its own indexes were",
        "mend that index first, then run REFRESH MATERIALIZED VIEW",
    )
    .about(view)
}
