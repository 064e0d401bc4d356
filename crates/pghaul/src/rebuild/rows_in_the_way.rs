//! Rows that forbid an index, named.

use super::index::{Index, IndexRule};
use super::trouble;
use crate::connect::Endpoint;
use crate::error::Error;
use crate::finding::{Finding, Severity};

/// What the rows do that stopped a build.
pub(super) async fn finding(_database: &Endpoint, index: &Index, error: &Error) -> Finding {
    let (code, remedy) = match index.rule {
        IndexRule::Unique => (
            "duplicates",
            format!(
                "`pghaul duplicates scan --index {}` names all groups; mend them, then run \
                 `pghaul rebuild` again; the index stays as it was",
                index.name
            ),
        ),
        IndexRule::Exclusion | IndexRule::Plain => (
            "conflicting_rows",
            "find the rows that exclude each other by a self-join, mend them, then run `pghaul \
             rebuild` again; the index stays as it was"
                .to_owned(),
        ),
    };
    Finding::new(Severity::Warning, code, trouble::chain(error), remedy).about(&index.name)
}
