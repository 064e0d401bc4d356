//! What can be known of a target before the first byte of an archive goes there.
//!
//! Invariants: only looks; says of the target what [`check`](super::check) says of it for a source,
//! as far as an archive's documents tell what the source was.

use std::collections::BTreeSet;

use pghaul_archive::contents::Contents;

use super::compare::locale::{Locale, collations_present, databases};
use super::compare::servers::Rights;
use super::compare::{extensions, servers};
use super::queries::{On, QUERIES};
use super::{Carry, Intent, ask, rules};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::schema::needs::collations;
use crate::schema::objects::superuser_only;
use crate::schema::{Entry, Kind};
use crate::version::ServerVersion;

/// Looks at the target of a restore. `entries` are those that will be carried.
///
/// # Errors
/// What the server said. What is wrong with the database is a finding and no error.
pub(crate) async fn check(
    (contents, entries): (&Contents, &[Entry]),
    target: &Session,
    intent: &Intent<'_>,
) -> Result<Vec<Finding>, Error> {
    let queries = QUERIES
        .iter()
        .filter(|query| query.on != On::Source && query.runs_on(target.version(), target.version()))
        .map(|query| ask(query, target, intent));
    let found = futures::future::try_join_all(queries).await?;
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    let source = ServerVersion::from_num(contents.source.version);
    servers::target(source, target, intent, &mut findings).await?;
    if let Some(noted) = &contents.locale {
        let from = Locale {
            encoding: noted.encoding.clone(),
            provider: noted.provider.clone(),
            name: noted.name.clone(),
            ctype: noted.ctype.clone(),
            probe: String::new(),
        };
        databases(&from, target, &mut findings).await?;
    }
    if intent.schema == Carry::Along {
        let of_kind = |kind: Kind| entries.iter().filter(move |entry| entry.kind == kind);
        let used: Vec<(&str, Option<&str>)> =
            of_kind(Kind::Extension).map(|entry| (entry.tag.as_str(), None)).collect();
        let rights = servers::rights(target).await?;
        extensions::needed(&used, target, rights, &mut findings).await?;
        superuser_objects(entries, rights, &mut findings);
        collations_missing(entries, target, &mut findings).await?;
    }
    findings.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then_with(|| a.code.cmp(b.code))
            .then_with(|| a.object.cmp(&b.object))
    });
    findings.dedup();
    Ok(findings)
}

/// What of these entries keeps a role that is no superuser from making them all.
pub(crate) async fn superusers_alone(
    entries: &[Entry],
    target: &Session,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    superuser_objects(entries, servers::rights(target).await?, &mut findings);
    findings.retain(|finding| finding.severity == Severity::Blocker);
    Ok(findings)
}

fn superuser_objects(entries: &[Entry], rights: Rights, findings: &mut Vec<Finding>) {
    let rule = match rights {
        Rights::Superuser => return,
        Rights::Managed => rules::SUPERUSER_OBJECT_MANAGED,
        Rights::Ordinary => rules::SUPERUSER_OBJECT,
    };
    findings.extend(entries.iter().filter_map(|entry| {
        let what = superuser_only(entry)?;
        let message = format!("only a superuser can create {what}; the role on the target is none");
        Some(rule.found(message).about(entry.object()))
    }));
}

/// Collations that statements name, that none of them makes, and that the target does not have.
async fn collations_missing(
    entries: &[Entry],
    target: &Session,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut named = collations(entries);
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Collation) {
        named.remove(&RelationName::new(entry.namespace().unwrap_or_default(), &entry.tag));
    }
    if named.is_empty() {
        return Ok(());
    }
    let there: BTreeSet<RelationName> = collations_present(target)
        .await?
        .iter()
        .map(|row| RelationName::new(row.text(0), row.text(1)))
        .collect();
    findings.extend(named.difference(&there).map(|missing| {
        rules::COLLATION_MISSING.found("the target has no such collation").about(missing)
    }));
    Ok(())
}
