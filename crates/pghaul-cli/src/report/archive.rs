//! The result of looking at an archive.

use std::time::Duration;

use pghaul::archive::verify::Verified;
use pghaul::run::TableOutcome;
use serde::Serialize;

use crate::console::style::{BAD, GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::quantity::{bytes, duration, grouped};
use crate::report::rows::{DifferentRows, Rows};
use crate::report::verify::{SchemaEntry, VERB, rows_text, schema_entry};
use crate::report::wire::{self, Envelope};
use crate::report::{self, findings};

/// What became of an archive.
pub struct Looked {
    /// What the engine says.
    pub verified: Verified,
    /// Rows that differ.
    pub differences: DifferentRows,
    /// Whether a database was compared with it.
    pub against: Against,
    /// From the beginning to the end.
    pub took: Duration,
}

/// What an archive was held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// Its own digests.
    Itself,
    /// These and a database.
    Database,
}

#[derive(Serialize)]
struct Body<'a> {
    source: wire::Database,
    finished: &'a str,
    consistency: &'a str,
    archive_bytes: u64,
    large_objects: usize,
    compared_with_database: bool,
    tables: Vec<wire::Table<'a, Rows<'a>>>,
    schema: Vec<SchemaEntry<'a>>,
    sequences: usize,
}

/// Prints it; gives the exit code.
pub fn done(console: &Console, looked: &Looked) -> Exit {
    let verified = &looked.verified;
    let exit = Exit::of_severity(verified.findings.iter().map(|one| one.severity).max());
    match console.results {
        Results::Json => {
            let archive = &verified.archive;
            let body = Body {
                source: wire::database(&archive.source),
                finished: &archive.finished,
                consistency: &archive.consistency,
                archive_bytes: archive.bytes,
                large_objects: archive.large_objects,
                compared_with_database: looked.against == Against::Database,
                tables: verified
                    .tables
                    .iter()
                    .map(|table| wire::table_with(table, looked.differences.all(&table.name)))
                    .collect(),
                schema: verified.schema.iter().map(schema_entry).collect(),
                sequences: verified.sequences,
            };
            Envelope::new(VERB, exit, looked.took, &verified.findings, body).print(console, exit)
        }
        Results::Text => {
            let text = text(looked, exit, console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
    }
}

fn text(looked: &Looked, exit: Exit, detail: Detail) -> String {
    let archive = &looked.verified.archive;
    let (word, style) = match (exit, looked.against) {
        (Exit::Done, Against::Itself) => ("Whole:", GOOD),
        (Exit::Done, Against::Database) => ("Whole, and equal:", GOOD),
        _ => ("Something to look at:", WARNING),
    };
    let mut text = format!(
        "{} the archive of {}, made {}, read in {}\n\n",
        paint(style, word),
        paint(STRONG, report::database(&archive.source)),
        archive.finished,
        duration(looked.took)
    );
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<13}{value}\n"));
    let proof = match looked.against {
        Against::Itself => "each frame and row as its digests say",
        Against::Database => "each row held against the database, too",
    };
    row("tables", &format!("{}, {proof}", grouped(archive.tables as u64)));
    row("rows", &grouped(archive.rows));
    row("bytes", &bytes(archive.bytes));
    if archive.large_objects > 0 {
        row("objects", &format!("{} large objects", grouped(archive.large_objects as u64)));
    }
    for table in looked.verified.tables.iter().filter(|table| !table.verified) {
        text.push_str(&different(table, looked));
    }
    text.push_str(&findings::text(&looked.verified.findings, detail));
    text
}

fn different(table: &TableOutcome, looked: &Looked) -> String {
    let named = looked.verified.named.get(&table.name).copied().unwrap_or_default();
    format!(
        "\n{} {}: {} rows in the archive, {} in the database\n{}",
        paint(BAD, "differs"),
        table.name,
        grouped(table.source_rows),
        grouped(table.target_rows.unwrap_or(0)),
        rows_text(&looked.differences, &table.name, (named.rows, named.all))
    )
}
