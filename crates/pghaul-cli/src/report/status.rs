//! The result of `status`.

use std::time::Duration;

use pghaul::status::{Status, StoredFinding, TableStatus};
use serde::Serialize;

use crate::console::style::{BAD, FAINT, GOOD, LABEL, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::quantity::{bytes, counted, duration, grouped, milliseconds};
use crate::report;
use crate::report::wire::{self, Envelope};

const VERB: &str = "status";
/// Tables in progress that are named.
const TABLES_NAMED: usize = 10;

#[derive(Serialize)]
struct Body<'a> {
    run: Option<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    id: &'a str,
    tool: &'a str,
    phase: &'a str,
    finished: bool,
    sessions: usize,
    age_ms: u64,
    took_ms: Option<u64>,
    source: wire::Database,
    target: wire::Database,
    consistency: &'a str,
    parts: usize,
    parts_done: usize,
    rows: u64,
    bytes: u64,
    bytes_last_minute: u64,
    disk_bytes: u64,
    steps_done: usize,
    tables: Vec<Table<'a>>,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Table<'a> {
    schema: &'a str,
    name: &'a str,
    disk_bytes: u64,
    parts: usize,
    parts_done: usize,
    rows: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'a str,
    severity: &'a str,
    object: Option<&'a str>,
    message: &'a str,
    remedy: &'a str,
}

/// Prints the status; gives the exit code, which is 0 also for a run that failed or found things:
/// looking at it succeeded.
pub fn print(console: &Console, took: Duration, target: &str, status: Option<&Status>) -> Exit {
    match console.results {
        Results::Text => match console.result(&text(target, status, console.detail)) {
            Ok(()) => Exit::Done,
            Err(exit) => exit,
        },
        Results::Json => {
            let body = Body { run: status.map(run) };
            Envelope::new(VERB, Exit::Done, took, &[], body).print(console, Exit::Done)
        }
    }
}

fn run(status: &Status) -> Run<'_> {
    let sum = Sum::of(status);
    Run {
        id: &status.run.id,
        tool: &status.tool,
        phase: &status.run.phase,
        finished: status.run.finished,
        sessions: status.sessions,
        age_ms: milliseconds(status.age),
        took_ms: status.took.map(milliseconds),
        source: wire::database(&status.run.source),
        target: wire::database(&status.run.target),
        consistency: &status.run.consistency,
        parts: sum.parts,
        parts_done: sum.parts_done,
        rows: sum.rows,
        bytes: sum.bytes,
        bytes_last_minute: status.bytes_last_minute,
        disk_bytes: sum.disk_bytes,
        steps_done: status.steps_done,
        tables: status.tables.iter().map(table).collect(),
        findings: status.findings.iter().map(finding).collect(),
    }
}

fn table(table: &TableStatus) -> Table<'_> {
    Table {
        schema: table.name.schema.as_str(),
        name: table.name.name.as_str(),
        disk_bytes: table.disk_bytes,
        parts: table.parts,
        parts_done: table.parts_done,
        rows: table.rows,
        bytes: table.bytes,
    }
}

fn finding(finding: &StoredFinding) -> Finding<'_> {
    Finding {
        code: &finding.code,
        severity: &finding.severity,
        object: finding.object.as_deref(),
        message: &finding.message,
        remedy: &finding.remedy,
    }
}

#[derive(Default)]
struct Sum {
    parts: usize,
    parts_done: usize,
    tables_done: usize,
    rows: u64,
    bytes: u64,
    disk_bytes: u64,
}

impl Sum {
    fn of(status: &Status) -> Self {
        status.tables.iter().fold(Self::default(), |sum, table| Self {
            parts: sum.parts + table.parts,
            parts_done: sum.parts_done + table.parts_done,
            tables_done: sum.tables_done + usize::from(table.parts == table.parts_done),
            rows: sum.rows + table.rows,
            bytes: sum.bytes + table.bytes,
            disk_bytes: sum.disk_bytes + table.disk_bytes,
        })
    }
}

fn text(target: &str, status: Option<&Status>, detail: Detail) -> String {
    let Some(status) = status else {
        return format!("No run in {target}.\n");
    };
    let sum = Sum::of(status);
    let mut text = format!("{}\n\n", headline(status));
    let mut row = |name: &str, value: String| text.push_str(&format!("  {name:<10}{value}\n"));
    row("source", report::database(&status.run.source));
    row("target", report::database(&status.run.target));
    row("begun", format!("{} ago, by {}", duration(status.age), status.tool));
    row("phase", status.run.phase.clone());
    row(
        "tables",
        format!(
            "{} of {} copied",
            grouped(sum.tables_done as u64),
            grouped(status.tables.len() as u64)
        ),
    );
    row(
        "parts",
        format!(
            "{} of {} done: {} rows, {}",
            grouped(sum.parts_done as u64),
            grouped(sum.parts as u64),
            grouped(sum.rows),
            bytes(sum.bytes)
        ),
    );
    if status.bytes_last_minute > 0 && !status.run.finished {
        let (seconds, since) = match status.age.as_secs() {
            young @ 0..60 => (young.max(1), "since it began"),
            60.. => (60, "in the last minute"),
        };
        row("rate", format!("{}/s {since}", bytes(status.bytes_last_minute / seconds)));
    }
    row("steps", format!("{} done", grouped(status.steps_done as u64)));
    text.push_str(&tables(status, detail));
    for finding in &status.findings {
        let style = match finding.severity.as_str() {
            "note" => FAINT,
            "warning" => WARNING,
            _ => BAD,
        };
        let object = finding.object.as_ref().map(|object| format!("{object}: "));
        text.push_str(&format!(
            "\n  {} {}: {}{}\n    {} {}\n",
            paint(style, &finding.severity),
            finding.code,
            object.unwrap_or_default(),
            finding.message,
            paint(LABEL, "remedy:"),
            finding.remedy
        ));
    }
    text
}

fn headline(status: &Status) -> String {
    let run = format!("run {}", status.run.id);
    let (word, style, more) = match (status.run.finished, status.sessions) {
        (true, _) => {
            let took = status.took.map(|took| format!(" in {}", duration(took)));
            ("finished", GOOD, took.unwrap_or_default())
        }
        (false, 0) => ("not running", WARNING, "; `pghaul clone --resume` goes on".to_owned()),
        (false, sessions) => {
            ("running", GOOD, format!(", {}", counted(sessions, "session", "sessions")))
        }
    };
    format!("{}: {}{more}", paint(STRONG, run), paint(style, word))
}

/// Tables that are not whole yet, the biggest first.
fn tables(status: &Status, detail: Detail) -> String {
    let open: Vec<&TableStatus> =
        status.tables.iter().filter(|table| table.parts_done < table.parts).collect();
    if open.is_empty() {
        return String::new();
    }
    let shown = if detail >= Detail::Verbose { open.len() } else { TABLES_NAMED };
    let mut text = String::from("\n");
    for table in open.iter().take(shown) {
        text.push_str(&format!(
            "  {}: {} of {}, {} rows\n",
            table.name,
            grouped(table.parts_done as u64),
            counted(table.parts, "part", "parts"),
            grouped(table.rows)
        ));
    }
    if open.len() > shown {
        let more = match open.len() - shown {
            1 => "and 1 more table; -v names all".to_owned(),
            more => format!("and {more} more tables; -v names all"),
        };
        text.push_str(&format!("  {}\n", paint(FAINT, more)));
    }
    text
}
