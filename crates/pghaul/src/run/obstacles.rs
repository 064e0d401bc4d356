//! What on the target stands in the way, found before anything is written and named all at once.
//!
//! Invariant: only looks. An obstacle is [`ErrorKind::Preflight`], exit code 11.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::options::{CloneOptions, Keep, Scope, SourceUse, sessions};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName};
use crate::plan::Plan;
use crate::preflight::{self, Carry, Intent, Writers};
use crate::schema::roles::{RoleTrouble, RoleUse, role_troubles};
use crate::schema::{self, Entry};
use crate::transfer::large_objects::LargeObject;

/// Objects named in a message; the rest are counted.
const NAMED: usize = 20;

/// Everything that preflight can know. Blockers refuse the run, all at once; the rest stands in
/// the result as notes, since it was there before and is not the run's doing.
pub(super) async fn preflight(
    (source, target): (&Session, &Session),
    options: &CloneOptions,
    wanted: &(impl Fn(&RelationName) -> bool + Send + Sync),
) -> Result<Vec<Finding>, Error> {
    let along = |keep: Keep| match keep {
        Keep::AsIs => Carry::Along,
        Keep::LeaveOut => Carry::Not,
    };
    let count = |lanes: NonZeroUsize| u32::try_from(lanes.get()).unwrap_or(u32::MAX);
    let (source_sessions, target_sessions) =
        sessions(count(options.jobs), count(options.index_jobs));
    let intent = Intent {
        source_sessions,
        target_sessions,
        schema: if options.scope == Scope::DataOnly { Carry::Not } else { Carry::Along },
        owners: along(options.owners),
        privileges: along(options.privileges),
        writers: match options.source_use {
            SourceUse::Quiet => Writers::Unwanted,
            SourceUse::Live => Writers::Expected,
        },
        wanted,
    };
    let found = preflight::check(source, Some(target), &intent).await?;
    let (blockers, rest): (Vec<Finding>, Vec<Finding>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Blocker);
    if let Some(first) = blockers.first() {
        let lines: Vec<String> = blockers
            .iter()
            .map(|blocker| match &blocker.object {
                Some(object) => format!("{object}: {} ({})", blocker.message, blocker.code),
                None => format!("{} ({})", blocker.message, blocker.code),
            })
            .collect();
        return Err(Error::new(
            ErrorKind::Preflight,
            format!("{} things stand in the way: {}", blockers.len(), lines.join("; ")),
        )
        .with_hint(first.remedy.clone()));
    }
    Ok(rest.into_iter().map(|finding| Finding { severity: Severity::Note, ..finding }).collect())
}

/// Refuses a target that has objects which the run would create.
pub(super) async fn refuse_existing(
    control: &Session,
    entries: &[Entry],
    objects: &[LargeObject],
) -> Result<(), Error> {
    let made = schema::objects::objects(entries);
    let existing = schema::objects::existing(control, &made).await?;
    let mut there: Vec<String> = existing
        .iter()
        .map(|object| match &object.namespace {
            Some(namespace) => format!("{} `{namespace}.{}`", object.kind, object.tag),
            None => format!("{} `{}`", object.kind, object.tag),
        })
        .collect();
    let oids: Vec<u32> = objects.iter().map(|object| object.oid).collect();
    let rows = control
        .query(
            "look for large objects that are there already",
            "select oid from pg_catalog.pg_largeobject_metadata where oid = any ($1)",
            &[&oids],
        )
        .await?;
    there.extend(rows.iter().map(|row| format!("large object {}", row.get::<_, u32>(0))));
    refuse(
        &there,
        "target: not empty: there already",
        "use an empty database, or leave these out with --exclude",
    )
}

/// Refuses when roles that the schema names are missing on the target, or cannot be given objects.
pub(super) async fn refuse_missing_roles(
    control: &Session,
    roles: &BTreeMap<Ident, RoleUse>,
) -> Result<(), Error> {
    let troubles = role_troubles(control, roles).await?;
    let described: Vec<String> = troubles
        .iter()
        .map(|(role, trouble)| {
            let example = roles.get(role).map_or("", |used| used.example.as_str());
            match trouble {
                RoleTrouble::Missing => format!("role `{role}` is missing (for {example})"),
                RoleTrouble::NotMember => {
                    format!("we may not give objects to role `{role}` (such as {example})")
                }
            }
        })
        .collect();
    refuse(
        &described,
        "target: roles stand in the way",
        "create these roles and grant them to the role that runs, or use --no-owner and --no-privileges",
    )
}

/// Refuses `--data-only` into tables that are missing, hold rows, lack columns or fire triggers.
pub(super) async fn refuse_unfit_tables(control: &Session, plan: &Plan) -> Result<(), Error> {
    let schemas: Vec<&str> =
        plan.tables.iter().map(|table| table.written_to.schema.as_str()).collect();
    let names: Vec<&str> = plan.tables.iter().map(|table| table.written_to.name.as_str()).collect();
    let rows = control
        .query(
            "look at the tables of the target",
            include_str!("obstacles/tables.sql"),
            &[&schemas, &names],
        )
        .await?;
    let mut unfit = Vec::new();
    for row in &rows {
        let at = usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX);
        let Some(table) = plan.tables.get(at) else { continue };
        let name = &table.written_to;
        if !row.get::<_, bool>(1) {
            unfit.push(format!("table `{name}` is missing"));
            continue;
        }
        let there: Vec<String> = row.get(2);
        let lacking = table
            .format
            .columns
            .iter()
            .find(|column| !there.iter().any(|there| there == column.as_str()));
        if let Some(column) = lacking {
            unfit.push(format!("table `{name}` has no column `{column}`"));
        }
        let triggers: Vec<String> = row.get(3);
        if let Some(trigger) = triggers.first() {
            unfit.push(format!("trigger `{trigger}` of table `{name}` would fire"));
        }
        let sql = format!("select exists (select from only {})", name.quoted());
        let doing = format!("look whether `{name}` is empty");
        if lacking.is_none() && control.query_one(&doing, &sql, &[]).await?.get(0) {
            unfit.push(format!("table `{name}` holds rows"));
        }
    }
    refuse(
        &unfit,
        "target: tables are not ready for --data-only",
        "create and empty the tables, and disable their triggers for the time of the copy",
    )
}

fn refuse(found: &[String], what: &str, remedy: &str) -> Result<(), Error> {
    if found.is_empty() {
        return Ok(());
    }
    let mut list = found.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if found.len() > NAMED {
        list.push_str(&format!(" and {} more", found.len() - NAMED));
    }
    Err(Error::new(ErrorKind::Preflight, format!("{what}: {list}")).with_hint(remedy))
}
