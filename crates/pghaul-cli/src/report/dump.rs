//! The result of a dump.

use std::io::IsTerminal as _;

use pghaul::Severity;
use pghaul::dump::{DumpOutcome, DumpedTable};
use serde::Serialize;

use crate::console::style::{GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::quantity::{bytes, duration, grouped};
use crate::report;
use crate::report::findings;
use crate::report::wire::{self, Envelope};
use crate::signals::Signal;

/// What a dump was.
pub struct Dumped {
    /// What the engine says.
    pub outcome: DumpOutcome,
    /// From the first connection to the end.
    pub took: std::time::Duration,
    /// What stopped it, if anything did.
    pub signal: Option<Signal>,
    /// Whether stdout holds the archive.
    pub stream: Stream,
}

/// What stdout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The archive.
    Archive,
    /// The result.
    Result,
}

#[derive(Serialize)]
struct Body<'a> {
    source: wire::Database,
    archive: Option<String>,
    finished: Option<&'a str>,
    archive_bytes: Option<u64>,
    large_objects: Option<usize>,
    consistency: &'static str,
    resumed: bool,
    tables: Vec<Table<'a>>,
    removed: Vec<String>,
    phases: Vec<wire::Phase>,
}

#[derive(Serialize)]
struct Table<'a> {
    schema: &'a str,
    name: &'a str,
    rows: u64,
    bytes: u64,
    digest: &'a str,
    digest_kind: &'a str,
}

fn table(table: &DumpedTable) -> Table<'_> {
    Table {
        schema: table.name.schema.as_str(),
        name: table.name.name.as_str(),
        rows: table.rows,
        bytes: table.bytes,
        digest: &table.digest.0,
        digest_kind: table.digest.1,
    }
}

/// Prints the result of a dump; gives its exit code.
pub fn done(console: &Console, dumped: &Dumped) -> Exit {
    let outcome = &dumped.outcome;
    let exit = match &outcome.archive {
        None => Exit::of_signal(dumped.signal),
        Some(_) => Exit::of_severity(outcome.findings.iter().map(|one| one.severity).max()),
    };
    match console.results {
        Results::Json => {
            let body = Body {
                source: wire::database(&outcome.source),
                archive: outcome.folder.as_ref().map(|folder| folder.display().to_string()),
                finished: outcome.archive.as_ref().map(|archive| archive.finished.as_str()),
                archive_bytes: outcome.archive.as_ref().map(|archive| archive.bytes),
                large_objects: outcome.archive.as_ref().map(|archive| archive.large_objects),
                consistency: outcome.consistency,
                resumed: outcome.resumed,
                tables: outcome.tables.iter().map(table).collect(),
                removed: outcome.removed.iter().map(|path| path.display().to_string()).collect(),
                phases: outcome
                    .phases
                    .iter()
                    .map(|(phase, took)| wire::phase(*phase, *took))
                    .collect(),
            };
            Envelope::new("dump", exit, dumped.took, &outcome.findings, body).print(console, exit)
        }
        Results::Text => print(console, dumped).err().unwrap_or(exit),
    }
}

fn print(console: &Console, dumped: &Dumped) -> Result<(), Exit> {
    let findings = &dumped.outcome.findings;
    let told = console.detail >= Detail::Verbose || std::io::stdout().is_terminal();
    if dumped.stream == Stream::Archive || !told {
        // For cron: a word only where something is not as it should be.
        let grave: Vec<_> =
            findings.iter().filter(|one| one.severity > Severity::Note).cloned().collect();
        if console.detail >= Detail::Verbose {
            console.message(&text(dumped, console.detail));
        } else if dumped.outcome.archive.is_none() {
            console.message("Stopped. The archive is not finished.\n");
        } else if !grave.is_empty() {
            console.message(&findings::text(&grave, console.detail));
        }
        return Ok(());
    }
    console.result(&text(dumped, console.detail))
}

fn text(dumped: &Dumped, detail: Detail) -> String {
    let outcome = &dumped.outcome;
    let source = paint(STRONG, report::database(&outcome.source));
    let took = duration(dumped.took);
    let Some(archive) = &outcome.archive else {
        return format!(
            "{} {source} after {took}; the same command goes on with what is finished\n",
            paint(WARNING, "Stopped dumping")
        );
    };
    let place = outcome
        .folder
        .as_ref()
        .map_or("a stream".to_owned(), |folder| folder.display().to_string());
    let (word, style) = if outcome.has_warnings() {
        ("Dumped, with warnings:", WARNING)
    } else {
        ("Dumped:", GOOD)
    };
    let mut text =
        format!("{} {source} to {} in {took}\n\n", paint(style, word), paint(STRONG, place));
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<13}{value}\n"));
    let proof = if dumped.stream == Stream::Archive {
        "to be verified by whoever reads it"
    } else {
        "read back: every frame and row as it was written"
    };
    row("tables", &format!("{}, {proof}", grouped(archive.tables as u64)));
    row("rows", &grouped(archive.rows));
    let raw: u64 = outcome.tables.iter().map(|table| table.bytes).sum();
    row("data", &format!("{} in {}", bytes(raw), bytes(archive.bytes)));
    if archive.large_objects > 0 {
        row("objects", &format!("{} large objects", grouped(archive.large_objects as u64)));
    }
    for removed in &outcome.removed {
        row("removed", &removed.display().to_string());
    }
    if detail >= Detail::Verbose {
        for table in &outcome.tables {
            text.push_str(&format!("  {}  {} rows\n", table.name, grouped(table.rows)));
        }
    }
    text.push_str(&findings::text(&outcome.findings, detail));
    text
}
