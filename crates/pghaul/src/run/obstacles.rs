//! What on the target stands in the way, found before anything is written and named all at once.
//!
//! Invariant: only looks. Obstacles are [`Error::refused`], exit code 11.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use pghaul_archive::contents::Contents;

use super::options::{CloneOptions, Keep, Scope, SourceUse, sessions};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName};
use crate::pg_dump::PgDump;
use crate::plan::Plan;
use crate::preflight::rows_only::{self, Destination, ForeignKey, Terms};
use crate::preflight::{
    self, Carry, Intent, Writers, large_objects_in_the_way, object_in_the_way, rules,
};
use crate::schema::roles::{RoleTrouble, RoleUse, role_troubles};
use crate::schema::{self, Entry};
use crate::transfer::large_objects::LargeObject;
use crate::version::ServerVersion;

/// Everything that preflight can know. Blockers refuse the run, all at once; the rest stands in
/// the result as notes, since it was there before and is not the run's doing.
pub(super) async fn preflight(
    (source, target): (&Session, &Session),
    options: &CloneOptions,
    wanted: &(impl Fn(&RelationName) -> bool + Send + Sync),
) -> Result<Vec<Finding>, Error> {
    let mut found = look((source, Some(target)), options, wanted).await?;
    if !options.include.is_empty() {
        // Whether a table that is asked for needs one, the dump tells.
        found.retain(|one| one.code != rules::SUPERUSER_OBJECT.code);
    }
    let (blockers, rest): (Vec<Finding>, Vec<Finding>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Blocker);
    if blockers.iter().any(|blocker| !seen_better_in_the_dump(blocker)) {
        return Err(Error::refused(blockers));
    }
    Ok(rest.into_iter().map(|finding| Finding { severity: Severity::Note, ..finding }).collect())
}

/// Everything that preflight can know of both databases, and whether a `pg_dump` is here that will
/// do; blockers first.
pub(super) async fn look(
    (source, target): (&Session, Option<&Session>),
    options: &CloneOptions,
    wanted: &(impl Fn(&RelationName) -> bool + Send + Sync),
) -> Result<Vec<Finding>, Error> {
    let along = |keep: Keep| match keep {
        Keep::AsIs => Carry::Along,
        Keep::LeaveOut => Carry::Not,
    };
    let (source_sessions, target_sessions) =
        sessions(count(options.jobs), count(options.index_jobs));
    let intent = Intent {
        source_sessions,
        target_sessions,
        schema: if options.scope == Scope::DataOnly { Carry::Not } else { Carry::Along },
        others: if options.include.is_empty() { Carry::Along } else { Carry::Not },
        large_objects: options.scope.large_objects(&options.include),
        owners: along(options.owners),
        privileges: along(options.privileges),
        writers: match options.source_use {
            SourceUse::Quiet => Writers::Unwanted,
            SourceUse::Live => Writers::Expected,
        },
        wanted,
    };
    let mut found = preflight::check(source, target, &intent).await?;
    let named = options.pg_dump.as_deref();
    match PgDump::select(named, source.version(), target.map(Session::version)).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Preflight => found.insert(0, no_pg_dump(&error)),
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// That no `pg_dump` will do, beside everything else that stands in the way.
fn no_pg_dump(error: &Error) -> Finding {
    let why = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let found = rules::PG_DUMP.found(format!("{error}{}", why.unwrap_or_default()));
    match error.hint() {
        Some(hint) => Finding { remedy: hint.to_owned(), ..found },
        None => found,
    }
}

/// What the catalogs tell only roughly where filters are at work, and the schema dump exactly: it
/// stops a run only beside other things, or once the dump says so too.
fn seen_better_in_the_dump(blocker: &Finding) -> bool {
    [
        rules::TARGET_NOT_EMPTY,
        rules::ROLE_MISSING,
        rules::ROLE_NOT_GIVABLE,
        rules::GRANTEE_MISSING,
        rules::TABLE_MISSING,
        rules::TABLE_NOT_EMPTY,
        rules::COLUMN_MISSING,
        rules::TRIGGER_FIRES,
    ]
    .iter()
    .any(|rule| rule.code == blocker.code)
}

/// Objects of the target that the run would create.
pub(super) async fn existing(
    control: &Session,
    entries: &[Entry],
    objects: &[LargeObject],
) -> Result<Vec<Finding>, Error> {
    let made = schema::objects::objects(entries);
    let existing = schema::objects::existing(control, &made).await?;
    let oids: Vec<u32> = objects.iter().map(|object| object.oid).collect();
    let large_objects = large_objects_in_the_way(control, &oids).await?;
    Ok(existing.iter().map(object_in_the_way).chain(large_objects).collect())
}

/// What is made of types that the target does not have.
pub(super) fn types(target: ServerVersion, entries: &[Entry]) -> Vec<Finding> {
    let too_new = schema::needs::types_too_new(entries, target);
    let found = too_new.into_iter().map(|(object, name, since)| {
        let message = format!(
            "it has values of type {name}, which is there from {since} on; the target is {target}"
        );
        rules::TYPE_TOO_NEW.found(message).about(object)
    });
    found.collect()
}

/// Everything that can be known of the target of a restore: what refuses it, and notes.
pub(super) async fn of_restore(
    (contents, entries): (&Contents, &[Entry]),
    target: &Session,
    options: &CloneOptions,
) -> Result<(Vec<Finding>, Vec<Finding>), Error> {
    let (_, target_sessions) = sessions(count(options.jobs), count(options.index_jobs));
    let intent = Intent {
        target_sessions,
        schema: if options.scope == Scope::DataOnly { Carry::Not } else { Carry::Along },
        ..Intent::default()
    };
    let found = preflight::archived::check((contents, entries), target, &intent).await?;
    let (blockers, rest): (Vec<Finding>, Vec<Finding>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Blocker);
    let note = |finding| Finding { severity: Severity::Note, ..finding };
    Ok((blockers, rest.into_iter().map(note).collect()))
}

fn count(lanes: NonZeroUsize) -> u32 {
    u32::try_from(lanes.get()).unwrap_or(u32::MAX)
}

/// Configuration tables of extensions that the target has already, with rows where those of the
/// source would go.
pub(super) async fn filled_configuration(
    control: &Session,
    plan: &Plan,
) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    for table in plan.tables.iter().filter(|table| table.extension.is_some()) {
        let (name, doing) = (table.name.quoted(), format!("look at `{}`", table.name));
        let there = "select pg_catalog.to_regclass($1) is not null";
        if !control.query_one(&doing, there, &[&name]).await?.get::<_, bool>(0) {
            continue;
        }
        let condition = match table.condition.as_str() {
            "" => "true",
            condition => condition,
        };
        let rows = format!("select exists (select from only {name} where {condition})");
        if control.query_one(&doing, &rows, &[]).await?.get(0) {
            let message = "this configuration table of an extension that is there holds rows";
            found.push(rules::TABLE_NOT_EMPTY.found(message).about(&table.name));
        }
    }
    Ok(found)
}

/// Roles that the schema names and that are missing on the target, or cannot be given objects.
pub(super) async fn roles(
    control: &Session,
    roles: &BTreeMap<Ident, RoleUse>,
) -> Result<Vec<Finding>, Error> {
    let troubles = role_troubles(control, roles).await?;
    let none = RoleUse::default();
    Ok(troubles
        .into_iter()
        .map(|(role, trouble)| {
            let used = roles.get(&role).unwrap_or(&none);
            let (owns, named, example) = (used.owns, used.named, &used.example);
            let (rule, message) = match trouble {
                RoleTrouble::Missing if owns > 0 => (
                    rules::ROLE_MISSING,
                    format!("it owns {owns} objects, such as {example}, and is not on the target"),
                ),
                RoleTrouble::Missing => (
                    rules::GRANTEE_MISSING,
                    format!("{named} objects name it, such as {example}, and it is not on the target"),
                ),
                RoleTrouble::NotMember => (
                    rules::ROLE_NOT_GIVABLE,
                    format!("it owns {owns} objects, such as {example}, and the role on the target may not give them to it"),
                ),
            };
            rule.found(message).about(role)
        })
        .collect())
}

/// Refuses if anything stands in the way.
pub(super) fn refuse(mut findings: Vec<Finding>) -> Result<(), Error> {
    findings.sort_by(|a, b| a.code.cmp(b.code).then_with(|| a.object.cmp(&b.object)));
    if findings.is_empty() { Ok(()) } else { Err(Error::refused(findings)) }
}

/// On what terms rows go into tables that are there, in the order of the plan's tables.
async fn terms(control: &Session, plan: &Plan) -> Result<Terms, Error> {
    // Leaves that go in through one root are one destination.
    let mut places: HashMap<&RelationName, usize> = HashMap::new();
    let mut destinations: Vec<Destination<'_>> = Vec::new();
    let mut place_of: Vec<usize> = Vec::new();
    for table in &plan.tables {
        let place = *places.entry(&table.written_to).or_insert(destinations.len());
        if place == destinations.len() {
            destinations.push(Destination {
                name: &table.written_to,
                columns: table.format.columns.clone(),
                condition: &table.condition,
            });
        }
        place_of.push(place);
    }
    let terms = rows_only::terms(control, &destinations).await?;
    let of_place = |wanted: &usize| {
        let is_of = |(at, place): (usize, &usize)| (place == wanted).then_some(at);
        place_of.iter().enumerate().filter_map(is_of).collect::<Vec<usize>>()
    };
    Ok(Terms {
        guards: place_of.iter().filter_map(|at| terms.guards.get(*at)).cloned().collect(),
        behind: place_of
            .iter()
            .filter_map(|at| terms.behind.get(*at))
            .map(|behind| behind.iter().flat_map(of_place).collect())
            .collect(),
        ..terms
    })
}

/// Plans rows for tables that are there, on their terms, or refuses; gives the foreign keys that
/// nothing checks meanwhile. A run that has begun is not refused for its own rows.
pub(super) async fn accept_terms(
    control: &Session,
    plan: &mut Plan,
    goes_on: bool,
) -> Result<Vec<ForeignKey>, Error> {
    let terms = terms(control, plan).await?;
    let own = |finding: &Finding| goes_on && finding.code == rules::TABLE_NOT_EMPTY.code;
    refuse(terms.findings.into_iter().filter(|finding| !own(finding)).collect())?;
    for table in &mut plan.tables {
        table.is_new = false;
    }
    for ((table, guard), behind) in plan.tables.iter_mut().zip(terms.guards).zip(terms.behind) {
        (table.guard, table.behind) = (guard, behind);
    }
    Ok(terms.unchecked)
}
