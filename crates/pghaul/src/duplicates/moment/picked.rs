//! What is scanned of a database, and what cannot be.
//!
//! Invariant: what was asked for by name and cannot be read is an error, all of it at once; what is
//! left out of everything is a finding.

use std::collections::{BTreeSet, HashMap};

use super::super::index::IndexDefinition;
use super::super::options::{ForeignKeys, ScanOptions};
use super::super::orphans::ForeignKey;
use super::super::select::{select, tables_named};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;

/// What is to be scanned, and what cannot be.
pub(super) struct Picked {
    pub(super) definitions: Vec<IndexDefinition>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) findings: Vec<Finding>,
}

impl Picked {
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let of = |picked: &Self| {
            picked.definitions.iter().map(|index| (index.oid, index.table_oid)).collect::<Vec<_>>()
        };
        let keys = |picked: &Self| {
            picked.foreign_keys.iter().flat_map(ForeignKey::locked).collect::<Vec<_>>()
        };
        of(self) == of(other) && keys(self) == keys(other)
    }
}

pub(super) async fn pick(
    session: &Session,
    options: &ScanOptions,
    given: Option<&IndexDefinition>,
) -> Result<Picked, Error> {
    let all: Option<&[String]> = None;
    let rows =
        session.query("list the tables", include_str!("relations.sql"), &[&all, &all]).await?;
    let name = |row: &tokio_postgres::Row| {
        RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1))
    };
    let names: Vec<RelationName> = rows.iter().map(name).collect();
    let unreadable: HashMap<RelationName, Unreadable> = rows
        .iter()
        .filter_map(|row| match (row.get::<_, bool>(3), row.get::<_, bool>(4)) {
            (false, _) => Some((name(row), Unreadable::Denied)),
            (true, true) => Some((name(row), Unreadable::RowSecurity)),
            (true, false) => None,
        })
        .collect();
    let definitions = match given {
        Some(definition) => vec![definition.clone()],
        None => {
            let all = IndexDefinition::all(session).await?;
            select(all, &names, options)?
        }
    };
    let is_standby = session.identity().in_recovery;
    let wanted: BTreeSet<RelationName> = definitions
        .iter()
        .map(|definition| definition.table.clone())
        .chain(tables_named(&names, options)?)
        .collect();
    let insists = given.is_some() || !options.tables.is_empty() || !options.indexes.is_empty();
    let mut picked =
        Picked { definitions: Vec::new(), foreign_keys: Vec::new(), findings: Vec::new() };
    let mut denied: BTreeSet<String> = BTreeSet::new();
    for definition in definitions {
        match unreadable.get(&definition.table) {
            Some(why) if insists => {
                denied.insert(format!("`{}`: {}", definition.table, why.text()));
            }
            Some(why) => picked.findings.push(skipped(
                &definition,
                Severity::Warning,
                why.text(),
                why.remedy(),
            )),
            None if definition.unlogged && is_standby => picked.findings.push(skipped(
                &definition,
                Severity::Note,
                "the table is unlogged, and a standby has no rows of it",
                "scan it on the primary",
            )),
            None if !definition.populated => picked.findings.push(skipped(
                &definition,
                Severity::Note,
                "the materialized view was never populated",
                "refresh it first",
            )),
            None => picked.definitions.push(definition),
        }
    }
    if options.foreign_keys == ForeignKeys::Checked {
        for key in ForeignKey::all(session).await? {
            if insists && !wanted.contains(&key.child) {
                continue;
            }
            match unreadable.get(&key.child).or_else(|| unreadable.get(&key.parent)) {
                Some(why) if insists => {
                    denied.insert(format!("`{}` or `{}`: {}", key.child, key.parent, why.text()));
                }
                Some(why) => picked.findings.push(
                    Finding::new(
                        Severity::Warning,
                        "not_scanned",
                        format!("foreign key `{}` not looked at: {}", key.name, why.text()),
                        why.remedy(),
                    )
                    .about(&key.child),
                ),
                None => picked.foreign_keys.push(key),
            }
        }
    }
    if denied.is_empty() {
        return Ok(picked);
    }
    let denied: Vec<String> = denied.into_iter().collect();
    Err(Error::new(ErrorKind::Preflight, format!("tables cannot be read: {}", denied.join("; ")))
        .with_hint("grant SELECT on them and USAGE on their schemas, or run as their owner"))
}

/// Why a table cannot be read.
#[derive(Clone, Copy)]
enum Unreadable {
    Denied,
    RowSecurity,
}

impl Unreadable {
    fn text(self) -> &'static str {
        match self {
            Self::Denied => "we may not read the table",
            Self::RowSecurity => "row-level security would hide rows from us",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Denied => "grant SELECT on it and USAGE on its schema, or run as its owner",
            Self::RowSecurity => "run as its owner, or as a role with BYPASSRLS",
        }
    }
}

fn skipped(definition: &IndexDefinition, severity: Severity, why: &str, remedy: &str) -> Finding {
    Finding::new(severity, "not_scanned", format!("not scanned: {why}"), remedy)
        .about(&definition.name)
}

pub(super) fn not_covered(definition: &IndexDefinition) -> Finding {
    if definition.is_exclusion {
        return skipped(
            definition,
            Severity::Note,
            "an exclusion constraint compares rows by operators of its own",
            "rebuild it with `pghaul rebuild`, which says whether its rows hold",
        );
    }
    skipped(
        definition,
        Severity::Warning,
        "this server does not have an operator class of it",
        "create what the index needs first",
    )
}
