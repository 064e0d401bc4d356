//! Records the present versions of collations, when no index is left that was built under another.
//!
//! Invariant: a recorded version is the server's only way to notice a change of the next library,
//! and the only trace of the last one: it is not touched as long as anything may still be in the old
//! order, rows in partitions by ranges of text included.

use std::collections::BTreeSet;

use super::collation::{Collation, CollationName, CollationVersion, Exposures};
use super::index::Index;
use super::options::RebuildOptions;
use super::outcome::{IndexEnd, Rebuilt};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;

/// Names in a message; the rest are counted.
const NAMED: usize = 10;

/// Records what can be, and adds the names of these collations to the result. Gives why the others
/// are not.
pub(super) async fn record(
    options: &RebuildOptions,
    session: &Session,
    rebuilt: &mut Rebuilt,
) -> Result<Vec<Finding>, Error> {
    let exposures = Exposures::read(session).await?;
    let indexes = Index::read(session).await?;
    let anew: BTreeSet<RelationName> = rebuilt
        .indexes
        .iter()
        .filter(|one| matches!(one.end, IndexEnd::Rebuilt { .. }))
        .map(|one| one.index.name.clone())
        .collect();
    let mut findings = Vec::new();
    for (collation, dependent) in exposures.changed() {
        let left: Vec<String> = indexes
            .iter()
            .filter(|index| index.has_rows() && dependent.contains(&index.oid))
            .filter(|index| !anew.contains(&index.name))
            .map(|index| index.name.to_string())
            .collect();
        let statement = statement(collation);
        if !left.is_empty() {
            let asked_for_all = options.selection.is_everything();
            findings.push(exposed_left(collation, &left, asked_for_all));
            continue;
        }
        let partitioned: Vec<String> =
            exposures.partitioned_by(collation.oid).map(ToString::to_string).collect();
        if !partitioned.is_empty() {
            findings.push(partitions_left(collation, &partitioned, &statement));
            continue;
        }
        if !matches!(&collation.version, CollationVersion::Changed { actual: Some(_), .. }) {
            findings.push(not_recorded(
                collation,
                "the system has no version to record",
                &statement,
            ));
            continue;
        }
        if !collation.may_refresh {
            findings.push(not_recorded(collation, "only its owner may record it", &statement));
            continue;
        }
        match session.batch("record the version of a collation", &statement).await {
            Ok(()) => rebuilt.recorded.push(collation.name.to_string()),
            Err(error) if error.sqlstate().is_some() => {
                findings.push(not_recorded(collation, &super::trouble::chain(&error), &statement));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

fn statement(collation: &Collation) -> String {
    match &collation.name {
        CollationName::Database(name) => {
            format!("ALTER DATABASE {} REFRESH COLLATION VERSION", name.quoted())
        }
        CollationName::Named(name) => {
            format!("ALTER COLLATION {} REFRESH VERSION", name.quoted())
        }
    }
}

fn about(finding: Finding, collation: &Collation) -> Finding {
    match &collation.name {
        CollationName::Database(name) => finding.about(name),
        CollationName::Named(name) => finding.about(name),
    }
}

fn list(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

fn exposed_left(collation: &Collation, left: &[String], asked_for_all: bool) -> Finding {
    let finding = Finding::new(
        if asked_for_all { Severity::Warning } else { Severity::Note },
        "exposed_indexes_left",
        format!(
            "the present version of {} is not recorded: {} indexes were built under another one: {}",
            collation.name,
            left.len(),
            list(left)
        ),
        "rebuild these too: `pghaul rebuild`",
    );
    about(finding, collation)
}

fn partitions_left(collation: &Collation, tables: &[String], statement: &str) -> Finding {
    let finding = Finding::new(
        Severity::Warning,
        "partitions_exposed",
        format!(
            "the present version of {} is not recorded: partitions by ranges of text may hold rows \
             that belong into others now: {}",
            collation.name,
            list(tables)
        ),
        format!(
            "check these tables' rows against the bounds of their partitions, then {statement}"
        ),
    );
    about(finding, collation)
}

fn not_recorded(collation: &Collation, why: &str, statement: &str) -> Finding {
    let finding = Finding::new(
        Severity::Warning,
        "collation_version_not_recorded",
        format!(
            "all indexes that depend on {} stand in its present order; its version is not recorded: \
             {why}",
            collation.name
        ),
        format!("as its owner: {statement}"),
    );
    about(finding, collation)
}
