//! The JSON of results and progress: a promise to scripts, version 1.
//!
//! Invariants: fields are only added; snake_case; sizes in bytes, durations in milliseconds,
//! digests in lower-case hex; values of rows only where a row is named by its primary key.

use std::collections::BTreeMap;
use std::time::Duration;

use pghaul::name::Ident;
use pghaul::run::TableOutcome;
use pghaul::state::DatabaseIdentity;
use pghaul::verify::difference::{Difference, DifferenceKind};
use pghaul::version::ServerVersion;
use pghaul::{Error, ErrorKind};
use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;
use crate::progress::Kept;
use crate::quantity::milliseconds;
use crate::report;

/// What every result begins with.
#[derive(Debug, Serialize)]
pub struct Envelope<T> {
    v: u32,
    verb: &'static str,
    outcome: &'static str,
    exit_code: u8,
    duration_ms: u64,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    #[serde(flatten)]
    body: T,
}

/// The body of a result that has none.
#[derive(Debug, Serialize)]
pub struct Nothing {}

impl<T: Serialize> Envelope<T> {
    /// A result.
    pub fn new(
        verb: &'static str,
        exit: Exit,
        took: Duration,
        findings: &[pghaul::Finding],
        body: T,
    ) -> Self {
        Self {
            v: 1,
            verb,
            outcome: exit.outcome(),
            exit_code: exit.code(),
            duration_ms: milliseconds(took),
            findings: findings.iter().map(finding).collect(),
            error: None,
            body,
        }
    }

    /// With what was found before it failed.
    #[must_use]
    pub fn with_findings(mut self, findings: &[pghaul::Finding]) -> Self {
        self.findings.extend(findings.iter().map(finding));
        self
    }

    /// Prints it, and gives the exit code.
    pub fn print(&self, console: &Console, exit: Exit) -> Exit {
        console.json(self).err().unwrap_or(exit)
    }
}

impl Envelope<Nothing> {
    /// The result of a verb that failed.
    pub fn failed(
        verb: &'static str,
        exit: Exit,
        took: Duration,
        error: &Error,
        kept: Option<&Kept>,
    ) -> Self {
        let findings = error.findings();
        Self {
            error: Some(failure(error, kept)),
            ..Self::new(verb, exit, took, findings, Nothing {})
        }
    }
}

/// A finding.
#[derive(Debug, Serialize)]
pub struct Finding {
    code: &'static str,
    severity: &'static str,
    object: Option<String>,
    message: String,
    remedy: String,
}

/// A finding as it is printed.
pub fn finding(finding: &pghaul::Finding) -> Finding {
    Finding {
        code: finding.code,
        severity: report::severity(finding.severity),
        object: finding.object.clone(),
        message: finding.message.clone(),
        remedy: finding.remedy.clone(),
    }
}

/// A failure.
#[derive(Debug, Serialize)]
pub struct Failure {
    kind: &'static str,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    sqlstate: Option<String>,
    kept: Option<KeptInTarget>,
}

/// What is in the target for good.
#[derive(Debug, Serialize)]
pub struct KeptInTarget {
    tables: usize,
    of_tables: usize,
    rows: u64,
    bytes: u64,
    indexes: usize,
}

/// A failure as it is printed.
pub fn failure(error: &Error, kept: Option<&Kept>) -> Failure {
    Failure {
        kind: kind(error.kind()),
        message: error.to_string(),
        causes: error.causes(),
        hint: error.hint().map(str::to_owned),
        sqlstate: error.sqlstate().map(str::to_owned),
        kept: kept.map(kept_in_target),
    }
}

/// What is kept, as it is printed.
pub fn kept_in_target(kept: &Kept) -> KeptInTarget {
    KeptInTarget {
        tables: kept.tables,
        of_tables: kept.of_tables,
        rows: kept.rows,
        bytes: kept.bytes,
        indexes: kept.indexes,
    }
}

fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Usage => "usage",
        ErrorKind::Connect => "connect",
        ErrorKind::Preflight => "preflight",
        ErrorKind::Transfer => "transfer",
        ErrorKind::SnapshotGone => "snapshot_gone",
        ErrorKind::RunState => "run_state",
        ErrorKind::Archive => "archive",
        ErrorKind::LocalIo => "local_io",
        ErrorKind::Bug => "bug",
    }
}

/// A database of one server.
#[derive(Debug, Serialize)]
pub struct Database {
    database: String,
    server_version: String,
}

/// A database as it is printed.
pub fn database(identity: &DatabaseIdentity) -> Database {
    Database {
        database: identity.database.clone(),
        server_version: ServerVersion::from_num(identity.version).to_string(),
    }
}

/// The time of one phase.
#[derive(Debug, Serialize)]
pub struct Phase {
    name: &'static str,
    duration_ms: u64,
}

/// A phase as it is printed.
pub fn phase(phase: pghaul::event::Phase, took: Duration) -> Phase {
    Phase { name: report::phase(phase), duration_ms: milliseconds(took) }
}

/// A table that was carried, and the rows of it that differ.
#[derive(Debug, Serialize)]
pub struct Table<'a, D = Vec<RowDifference<'a>>> {
    schema: &'a str,
    name: &'a str,
    source_rows: u64,
    target_rows: Option<u64>,
    bytes: u64,
    digest: Option<&'a str>,
    digest_kind: Option<&'a str>,
    verified: bool,
    differences: D,
}

/// A row that differs.
#[derive(Debug, Serialize)]
pub struct RowDifference<'a> {
    key: BTreeMap<&'a str, Option<&'a str>>,
    kind: &'static str,
    source_ctid: Option<String>,
    target_ctid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_relation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_relation: Option<String>,
    key_digest: String,
    copies: u64,
    columns: Vec<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<&'a str, SideValues<'a>>,
}

/// One column of a row that differs.
#[derive(Debug, Serialize)]
pub struct SideValues<'a> {
    source: Option<&'a str>,
    target: Option<&'a str>,
}

/// A table as it is printed.
pub fn table(table: &TableOutcome) -> Table<'_> {
    let rows = table.differences.iter().map(|one| difference(&table.key, one)).collect();
    table_with(table, rows)
}

/// The same with rows that are elsewhere.
pub fn table_with<D>(table: &TableOutcome, differences: D) -> Table<'_, D> {
    Table {
        schema: table.name.schema.as_str(),
        name: table.name.name.as_str(),
        source_rows: table.source_rows,
        target_rows: table.target_rows,
        bytes: table.bytes,
        digest: table.digest.as_ref().map(|(hex, _)| hex.as_str()),
        digest_kind: table.digest.as_ref().map(|(_, kind)| *kind),
        verified: table.verified,
        differences,
    }
}

/// A row that differs, as it is printed; `key` are the columns that name it.
pub fn difference<'a>(key: &'a [Ident], difference: &'a Difference) -> RowDifference<'a> {
    let names = key.iter().map(Ident::as_str);
    RowDifference {
        key: names.zip(difference.key.iter().map(Option::as_deref)).collect(),
        kind: difference_kind(difference.kind),
        source_ctid: difference.source.map(|tid| tid.to_string()),
        target_ctid: difference.target.map(|tid| tid.to_string()),
        source_relation: difference.source_relation.as_ref().map(ToString::to_string),
        target_relation: difference.target_relation.as_ref().map(ToString::to_string),
        key_digest: difference.key_digest.to_string(),
        copies: difference.copies,
        columns: difference.columns.iter().map(Ident::as_str).collect(),
        values: difference
            .values
            .iter()
            .map(|one| {
                let (source, target) = (one.source.as_deref(), one.target.as_deref());
                (one.column.as_str(), SideValues { source, target })
            })
            .collect(),
    }
}

/// How a row differs, by its name.
pub fn difference_kind(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Extra => "extra",
        DifferenceKind::Changed => "changed",
    }
}
