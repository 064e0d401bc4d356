//! Looks and plans; nothing is changed yet.

use std::collections::{BTreeMap, BTreeSet};

use super::amcheck::{Amcheck, Thoroughness};
use super::health::{self, IndexHealth, Reason, health_with};
use super::index::{Index, IndexOf};
use super::leftovers;
use super::options::{Need, RebuildOptions, Unknown};
use super::plan::{self, Plan};
use crate::connect::{Endpoint, Purpose, Session};
use crate::duplicates::Sink;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};

/// Names in a message; the rest are counted.
const NAMED: usize = 20;

/// A rebuild that is planned and not begun.
pub struct PreparedRebuild {
    pub(super) database: Endpoint,
    pub(super) options: RebuildOptions,
    pub(super) plan: Plan,
    pub(super) amcheck: Amcheck,
    pub(super) findings: Vec<Finding>,
    pub(super) groups: Box<dyn Sink>,
}

impl PreparedRebuild {
    /// Looks which indexes are to be rebuilt, and how. Nothing is changed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that means nothing. [`ErrorKind::Preflight`] on a standby, or
    /// when the role may not rebuild what it would have to; all are named.
    /// [`ErrorKind::Connect`].
    pub async fn new(database: Endpoint, options: RebuildOptions) -> Result<Self, Error> {
        let session = database.connect(Purpose::Catalog, "rebuild look").await?;
        refuse_standby(&session)?;
        let all = Index::read(&session).await?;
        let picked = options.selection.pick(&all)?;
        let tables: BTreeSet<u32> = all
            .iter()
            .filter(|index| picked.contains(&index.oid))
            .map(|index| index.table_oid)
            .collect();
        let tables: Vec<u32> = tables.into_iter().collect();
        let leftovers = leftovers::find(&session, &tables).await?;
        let left: BTreeSet<u32> = leftovers.iter().map(|one| one.oid).collect();
        let by_need = options.selection.is_everything() && options.need == Need::Needed;
        let found = health_with(
            (&database, options.jobs),
            &session,
            |index| picked.contains(&index.oid) && !left.contains(&index.oid),
            // What is rebuilt anyway need not be looked at first.
            if by_need { options.thoroughness } else { Thoroughness::Skip },
        )
        .await?;
        let amcheck = found.amcheck.clone();
        let (forbidden, indexes): (Vec<IndexHealth>, Vec<IndexHealth>) =
            found.indexes.into_iter().partition(is_forbidden_toast);
        let mut findings = standing(&indexes, &found.findings, &amcheck, &options);
        if !by_need {
            findings.extend(toast_left(&forbidden));
        }
        let mut unknown = 0;
        let chosen: Vec<(IndexHealth, Vec<Reason>)> = indexes
            .into_iter()
            .filter_map(|one| {
                let mut reasons = one.reasons();
                if !by_need {
                    reasons.push(Reason::Asked);
                } else if options.unknown == Unknown::Keep && !one.is_certainly_exposed() {
                    let all = reasons.len();
                    reasons.retain(|reason| *reason != Reason::Exposed);
                    unknown += all - reasons.len();
                }
                (!reasons.is_empty()).then_some((one, reasons))
            })
            .collect();
        findings.extend(unknown_left(unknown));
        refuse_forbidden(&chosen)?;
        let plan = plan::plan(&session, &options, chosen, leftovers).await?;
        Ok(Self { database, options, plan, amcheck, findings, groups: Box::new(()) })
    }

    /// Gives every group of rows that stops a build to `groups`; without it, only the first are kept
    /// (see [`SharedKeys`](super::SharedKeys)). Groups of one index stand together; those of an index
    /// whose rows could not all be looked at, which is a finding, may be there in part.
    #[must_use]
    pub fn telling(self, groups: Box<dyn Sink>) -> Self {
        Self { groups, ..self }
    }

    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What a rebuild will not mend, known before.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The database.
    pub fn database(&self) -> &Endpoint {
        &self.database
    }
}

/// The index of a TOAST table that the role may not rebuild: REINDEX TABLE does it for the owner.
fn is_forbidden_toast(one: &IndexHealth) -> bool {
    one.index.of == IndexOf::Toast && !one.index.may_rebuild
}

fn toast_left(forbidden: &[IndexHealth]) -> Option<Finding> {
    let tables: BTreeSet<String> =
        forbidden.iter().map(|one| format!("`{}`", one.index.table)).take(NAMED).collect();
    let named: Vec<String> = tables.into_iter().collect();
    (!named.is_empty()).then(|| {
        let more = match forbidden.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Finding::new(
            Severity::Note,
            "toast_not_rebuilt",
            format!(
                "the role may not use the schema pg_toast: the indexes by which long values are \
                 found are left as they are, of {}{more}",
                named.join(", ")
            ),
            "connect as a superuser, or run REINDEX TABLE (from 12 on CONCURRENTLY) as the owner",
        )
    })
}

fn unknown_left(count: usize) -> Option<Finding> {
    (count > 0).then(|| {
        Finding::new(
            Severity::Note,
            "unknown_versions_left",
            format!(
                "left as they are, as asked: {count} indexes that depend on a collation of which \
                 no version is recorded"
            ),
            "rebuild them once after the system below the server has changed",
        )
    })
}

/// Of everything that was found, what the rebuild will not do away with.
fn standing(
    indexes: &[IndexHealth],
    findings: &[Finding],
    amcheck: &Amcheck,
    options: &RebuildOptions,
) -> Vec<Finding> {
    let of_indexes: Vec<Finding> = indexes
        .iter()
        .flat_map(health::findings_of)
        .filter(|finding| finding.code != "not_checked")
        .collect();
    let mut standing: Vec<Finding> =
        findings.iter().filter(|finding| !of_indexes.contains(finding)).cloned().collect();
    if options.thoroughness > Thoroughness::Skip && !amcheck.checks_indexes() {
        let (message, remedy) = if amcheck.is_installed() {
            (
                "the role may not call amcheck's functions: damage is not looked for",
                "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA … TO the role, or connect as a superuser",
            )
        } else {
            (
                "amcheck is not installed in this database: damage is not looked for",
                "CREATE EXTENSION amcheck (10 and newer) if the service allows it",
            )
        };
        standing.push(Finding::new(Severity::Note, "amcheck_missing", message, remedy));
    }
    standing
}

fn refuse_standby(session: &Session) -> Result<(), Error> {
    if !session.identity().in_recovery {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Preflight,
        "database: the server is a standby, nothing can be rebuilt",
    )
    .with_hint("connect to the primary (target_session_attrs=primary finds it in a list)"))
}

fn refuse_forbidden(chosen: &[(IndexHealth, Vec<Reason>)]) -> Result<(), Error> {
    let mut tables: BTreeMap<String, &str> = BTreeMap::new();
    for (one, _) in chosen.iter().filter(|(one, _)| !one.index.may_rebuild) {
        tables.insert(one.index.table.to_string(), one.index.owner.as_str());
    }
    if tables.is_empty() {
        return Ok(());
    }
    let mut named: Vec<String> = tables
        .iter()
        .take(NAMED)
        .map(|(table, owner)| format!("`{table}` (owner {owner})"))
        .collect();
    if tables.len() > NAMED {
        named.push(format!("and {} more", tables.len() - NAMED));
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!("database: the role may not rebuild the indexes of {}", named.join(", ")),
    )
    .with_hint(
        "connect as the owner or a superuser (17 and newer: GRANT MAINTAIN on the table to the \
         role suffices), or name other tables or indexes with --table and --index",
    ))
}
