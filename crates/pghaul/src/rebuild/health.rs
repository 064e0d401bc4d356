//! The health of indexes: which may be in the wrong order, which are not valid, which are damaged.
//!
//! Invariants: only reads; one entry for each index that was wanted, healthy or not; a finding for
//! each that is not, with the index as its object, so that findings of one cause stand together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use crate::connect::{Endpoint, Purpose, Session};
use crate::error::Error;
use crate::finding::{Finding, Severity};

use super::amcheck::{Amcheck, BTREE, Thoroughness, Verdict};
use super::checks::{Subject, verdicts};
use super::collation::{Exposure, Exposures};
use super::index::{Index, IndexOf, IndexRule, IndexState};

/// The health of the indexes that were wanted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Health {
    /// One entry for each, by table.
    pub indexes: Vec<IndexHealth>,
    /// Everything that is wrong or not known, the gravest first.
    pub findings: Vec<Finding>,
    /// What the role can use of amcheck.
    pub amcheck: Amcheck,
}

/// The health of one index.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IndexHealth {
    /// Which.
    pub index: Index,
    /// Why it may be in another order than it is read in, by what the catalog says; empty if it
    /// cannot be.
    pub exposures: Vec<Exposure>,
    /// What amcheck said.
    pub verdict: Verdict,
}

impl IndexHealth {
    /// Whether it is exposed to a collation that is known to have changed.
    pub fn is_certainly_exposed(&self) -> bool {
        self.standing_exposures().any(Exposure::is_certain)
    }

    /// Why it should be rebuilt; empty if it need not be.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.index.state != IndexState::Valid {
            reasons.push(Reason::Invalid);
        }
        if let Verdict::Damaged(_) = self.verdict {
            reasons.push(Reason::Damaged);
        }
        if self.standing_exposures().next().is_some() {
            reasons.push(Reason::Exposed);
        }
        reasons
    }

    /// Exposures that amcheck has not disproved. An index that is in the present order is not in
    /// another, so where only the version is unknown, and only the order of keys depends on it, a
    /// sound btree index needs nothing.
    fn standing_exposures(&self) -> impl Iterator<Item = &Exposure> {
        let in_order = self.verdict == Verdict::Sound && self.index.method == BTREE;
        self.exposures.iter().filter(move |one| !in_order || one.is_certain() || one.in_expressions)
    }
}

/// Why an index should be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The server does not use it, or does not keep it up to date.
    Invalid,
    /// amcheck found damage.
    Damaged,
    /// The order that it was built in may not be the present one.
    Exposed,
    /// It was named.
    Asked,
}

impl Reason {
    /// The word for it in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Damaged => "damaged",
            Self::Exposed => "exposed",
            Self::Asked => "asked",
        }
    }
}

/// Looks at the indexes that are `wanted`: what the catalog says of their validity and of their
/// collations' versions, and what amcheck says where it is installed and the role may use it.
///
/// The indexes of TOAST tables are indexes of the tables that the values belong to. Takes the locks
/// of a reader. With [`Thoroughness::Rows`] each btree index and its table are read once, with
/// [`Thoroughness::Order`] each btree index alone (and with both, from 18 on, each GIN index), with
/// [`Thoroughness::Skip`] only the catalog. Works on a standby and without superuser.
///
/// # Errors
/// What the server said, or the loss of the connection. What is wrong with an index is a finding
/// and no error.
pub async fn health(
    session: &Session,
    wanted: impl Fn(&Index) -> bool,
    thoroughness: Thoroughness,
) -> Result<Health, Error> {
    look(&[session], wanted, thoroughness).await
}

/// As [`health`], with so many sessions at once for amcheck.
pub(super) async fn health_with(
    (database, jobs): (&Endpoint, NonZeroUsize),
    session: &Session,
    wanted: impl Fn(&Index) -> bool,
    thoroughness: Thoroughness,
) -> Result<Health, Error> {
    let mut others = Vec::new();
    if thoroughness > Thoroughness::Skip && Amcheck::find(session).await?.checks_indexes() {
        for number in 1..jobs.get() {
            let name = format!("health {number}");
            others.push(database.connect(Purpose::Catalog, &name).await?);
        }
    }
    let sessions: Vec<&Session> = std::iter::once(session).chain(&others).collect();
    look(&sessions, wanted, thoroughness).await
}

async fn look(
    sessions: &[&Session],
    wanted: impl Fn(&Index) -> bool,
    thoroughness: Thoroughness,
) -> Result<Health, Error> {
    let Some(session) = sessions.first() else { return Ok(Health::default()) };
    let exposures = Exposures::read(session).await?;
    let amcheck = Amcheck::find(session).await?;
    let mut all = Index::read(session).await?;
    all.retain(|index| wanted(index));
    let subjects: Vec<Subject<'_>> =
        all.iter().map(|index| Subject::Index(index, thoroughness)).collect();
    let verdicts = verdicts(sessions, &amcheck, &subjects).await?;
    let indexes: Vec<IndexHealth> = all
        .into_iter()
        .zip(verdicts)
        .map(|(index, verdict)| {
            let exposures = if index.has_rows() { exposures.of(index.oid) } else { Vec::new() };
            IndexHealth { index, exposures, verdict }
        })
        .collect();
    let mut findings: Vec<Finding> = indexes.iter().flat_map(findings_of).collect();
    if thoroughness > Thoroughness::Skip && amcheck.checks_indexes() {
        findings.extend(other_kinds(&amcheck, &indexes));
    }
    if thoroughness == Thoroughness::Rows && amcheck.checks_tables() {
        findings.extend(tables(sessions, &amcheck, &indexes).await?);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Health { indexes, findings, amcheck })
}

/// What amcheck cannot look at.
fn other_kinds(amcheck: &Amcheck, indexes: &[IndexHealth]) -> Option<Finding> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let others = indexes.iter().map(|one| &one.index);
    for index in others.filter(|index| index.has_rows() && !amcheck.knows(&index.method)) {
        *kinds.entry(index.method.as_str()).or_default() += 1;
    }
    let counted: Vec<String> =
        kinds.iter().map(|(method, count)| format!("{method} {count}")).collect();
    (!counted.is_empty()).then(|| {
        Finding::new(
            Severity::Note,
            "not_checked_kinds",
            format!(
                "amcheck looks at btree indexes, and from 18 on at GIN; damage of others is not \
                 looked for: {}",
                counted.join(", ")
            ),
            "after a crash of the hardware rebuild them too: `pghaul rebuild --all`",
        )
    })
}

/// What verify_heapam says of the tables of these indexes. Not where the index of the TOAST table is
/// damaged: through it, sound values look as if they were not there.
async fn tables(
    sessions: &[&Session],
    amcheck: &Amcheck,
    indexes: &[IndexHealth],
) -> Result<Vec<Finding>, Error> {
    let blind: BTreeSet<u32> = indexes
        .iter()
        .filter(|one| one.index.of == IndexOf::Toast && matches!(one.verdict, Verdict::Damaged(_)))
        .map(|one| one.index.table_oid)
        .collect();
    let tables: BTreeMap<u32, &Index> = indexes
        .iter()
        .map(|one| &one.index)
        .filter(|index| index.has_rows() && !blind.contains(&index.table_oid))
        .map(|index| (index.table_oid, index))
        .collect();
    let subjects: Vec<Subject<'_>> =
        tables.iter().map(|(oid, index)| Subject::Table(*oid, &index.table, index.bytes)).collect();
    let verdicts = verdicts(sessions, amcheck, &subjects).await?;
    let mut findings = Vec::new();
    for (index, verdict) in tables.into_values().zip(verdicts) {
        match verdict {
            Verdict::Damaged(message) => findings.push(damaged_table(index, &message)),
            Verdict::Unreachable(message) => findings.push(not_checked(&index.table, &message)),
            Verdict::Sound | Verdict::NotChecked => {}
        }
    }
    Ok(findings)
}

/// Everything that is to be said of one index.
pub(super) fn findings_of(one: &IndexHealth) -> Vec<Finding> {
    let name = &one.index.name;
    let mut findings = Vec::new();
    let toast = one.index.of == IndexOf::Toast;
    let what = if toast {
        format!("it finds the long values of `{}`: ", one.index.table)
    } else {
        String::new()
    };
    let how = if toast && !one.index.may_rebuild {
        "rebuild it with `pghaul rebuild` as a superuser, or with REINDEX TABLE (from 12 on \
         CONCURRENTLY) as the owner of the table"
    } else {
        "rebuild it with `pghaul rebuild`"
    };
    let state = match (one.index.state, one.index.rule) {
        (IndexState::Valid, _) => None,
        (IndexState::Invalid, _) => Some("it is not valid: kept up to date, but used by no query"),
        (IndexState::NotReady, IndexRule::Plain) => {
            Some("it is not valid and not even kept up to date")
        }
        (IndexState::NotReady, IndexRule::Unique | IndexRule::Exclusion) => {
            Some("it is not valid and not kept up to date: nothing enforces its rule")
        }
        (IndexState::Dropping, _) => Some("a DROP INDEX CONCURRENTLY of it did not end"),
    };
    if let Some(state) = state {
        findings.push(
            Finding::new(
                Severity::Warning,
                "invalid_index",
                format!("{what}{state}"),
                format!("{how}, or drop it"),
            )
            .about(name),
        );
    }
    match &one.verdict {
        Verdict::Damaged(message) => findings.push(
            Finding::new(
                Severity::Warning,
                "damaged_index",
                format!("{what}amcheck: {message}"),
                format!("{how}; look for the cause: a changed C library, a disk, memory"),
            )
            .about(name),
        ),
        Verdict::Unreachable(message) => findings.push(not_checked(name, message)),
        Verdict::Sound | Verdict::NotChecked => {}
    }
    findings.extend(one.standing_exposures().map(|exposure| exposed(one, exposure)));
    findings
}

fn exposed(one: &IndexHealth, exposure: &Exposure) -> Finding {
    let (severity, remedy) = if exposure.is_certain() {
        (Severity::Warning, "rebuild it with `pghaul rebuild`, which then records the new version")
    } else {
        (
            Severity::Note,
            "if the system below the server was ever upgraded or the data directory moved to \
             another system, rebuild it with `pghaul rebuild`",
        )
    };
    Finding::new(severity, "exposed_index", exposure.to_string(), remedy).about(&one.index.name)
}

fn damaged_table(index: &Index, message: &str) -> Finding {
    Finding::new(
        Severity::Blocker,
        "damaged_table",
        format!("amcheck: {message}"),
        "no rebuild mends the rows themselves: restore the table from a backup, or save what can \
         be read",
    )
    .about(&index.table)
}

fn not_checked(object: &impl std::fmt::Display, message: &str) -> Finding {
    Finding::new(
        Severity::Warning,
        "not_checked",
        format!("amcheck could not look at it: {message}"),
        "look again when the lock is gone",
    )
    .about(object)
}
