//! Tables that differ by what a repair of duplicates did on the target, and by nothing else.
//!
//! Invariant: a table counts as equal only if its digest, less the rows as repairs left them, plus
//! the rows as they were, is that of the source.

use std::collections::BTreeMap;

use super::company::Company;
use super::moment::Moment;
use super::outcome::VerifiedTable;
use crate::duplicates::repair::accounting::accounted;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;

/// Looks at tables that differ.
pub(super) async fn account(
    company: &Company,
    moment: &Moment,
    done: &mut BTreeMap<RelationName, VerifiedTable>,
) -> Result<(), Error> {
    if done.values().all(|table| table.equal) {
        return Ok(());
    }
    let session = moment.target.reader("repairs").await?;
    let repairs = match accounted(&session).await {
        // No schema of ours: whoever compares need not be able to repair.
        Err(error) if error.kind() == ErrorKind::Preflight => return Ok(()),
        other => other?,
    };
    for table in done.values_mut().filter(|table| !table.equal && !table.sampled) {
        let Some(repair) = repairs.get(&table.name) else { continue };
        let same_kind = table.digest_kind.is_some_and(|kind| kind.name() == repair.kind);
        if same_kind && repair.before_repair(table.target) == table.source {
            table.equal = true;
            table.all_named = true;
            company.find(
                Finding::new(
                    Severity::Note,
                    "repaired",
                    "it differs by what the repair of duplicates did there, and by nothing else",
                    "nothing to do; `pghaul duplicates undo` takes the repair back",
                )
                .about(&table.name),
            );
        }
    }
    Ok(())
}
