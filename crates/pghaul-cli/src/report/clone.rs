//! The result of a clone, or of a worker's part in one.

use std::time::Duration;

use pghaul::event::Phase;
use pghaul::run::{Ending, Outcome, TableOutcome};
use pghaul::state::DatabaseIdentity;
use pghaul::{Error, ErrorKind};
use serde::Serialize;

use crate::console::style::{BAD, FAINT, GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::progress::{Kept, SoFar};
use crate::quantity::{bytes, duration, grouped};
use crate::report;
use crate::report::failure::kept_text;
use crate::report::wire::{self, Envelope};
use crate::report::{failure, findings};
use crate::signals::Signal;

/// What a clone was.
pub struct Cloned {
    /// The database that was read.
    pub source: DatabaseIdentity,
    /// The database that was written.
    pub target: DatabaseIdentity,
    /// From the first connection to the end.
    pub took: Duration,
    /// The time before anything was written.
    pub prepared_in: Duration,
    /// What the engine says.
    pub outcome: Outcome,
    /// What stopped it, if anything did.
    pub signal: Option<Signal>,
}

/// Rows that differ, named by table.
const DIFFERENCES_NAMED: usize = 10;

#[derive(Serialize)]
struct Body<'a> {
    source: wire::Database,
    target: wire::Database,
    consistency: &'static str,
    tables: Vec<wire::Table<'a>>,
    indexes: usize,
    constraints: usize,
    phases: Vec<wire::Phase>,
}

/// Prints the result of a run that came to an end; gives its exit code.
pub fn done(console: &Console, verb: &'static str, cloned: &Cloned) -> Exit {
    let exit = Exit::of_outcome(&cloned.outcome, cloned.signal);
    match console.results {
        Results::Text => match console.result(&text(verb, cloned, console.detail)) {
            Ok(()) => exit,
            Err(exit) => exit,
        },
        Results::Json => {
            let outcome = &cloned.outcome;
            let body = Body {
                source: wire::database(&cloned.source),
                target: wire::database(&cloned.target),
                consistency: outcome.consistency,
                tables: outcome.tables.iter().map(wire::table).collect(),
                indexes: outcome.indexes,
                constraints: outcome.constraints,
                phases: phases(cloned).map(|(phase, took)| wire::phase(phase, took)).collect(),
            };
            Envelope::new(verb, exit, cloned.took, &outcome.findings, body).print(console, exit)
        }
    }
}

/// Prints a failure; gives its exit code. `so_far` is what is kept and what was found until then,
/// once anything was written.
pub fn failed(
    console: &Console,
    verb: &'static str,
    took: Duration,
    error: &Error,
    so_far: Option<&SoFar>,
) -> Exit {
    let exit = Exit::of_failure(error.kind());
    // Going on as it is is not what these ask for.
    let kept = match error.kind() {
        ErrorKind::Usage | ErrorKind::Preflight | ErrorKind::SnapshotGone | ErrorKind::RunState => {
            None
        }
        ErrorKind::Connect
        | ErrorKind::Transfer
        | ErrorKind::Archive
        | ErrorKind::LocalIo
        | ErrorKind::Bug => so_far.map(|so_far| &so_far.kept),
    };
    failure::print_of(console, verb, error, kept);
    match console.results {
        Results::Text => exit,
        Results::Json => Envelope::failed(verb, exit, took, error, kept)
            .with_findings(so_far.map_or(&[], |so_far| &so_far.findings))
            .print(console, exit),
    }
}

#[derive(Serialize)]
struct Stopped {
    kept: Option<wire::KeptInTarget>,
}

/// Prints that a run was stopped before it could say more; gives its exit code.
pub fn stopped(
    console: &Console,
    verb: &'static str,
    took: Duration,
    signal: Option<Signal>,
    kept: Option<&Kept>,
) -> Exit {
    let exit = Exit::of_signal(signal);
    let written = match console.results {
        Results::Text => console.result(&match kept {
            Some(kept) => format!("Stopped. Kept: {}\n", kept_text(verb, kept)),
            None => "Stopped. Nothing was written.\n".to_owned(),
        }),
        Results::Json => {
            let body = Stopped { kept: kept.map(wire::kept_in_target) };
            return Envelope::new(verb, exit, took, &[], body).print(console, exit);
        }
    };
    written.err().unwrap_or(exit)
}

fn phases(cloned: &Cloned) -> impl Iterator<Item = (Phase, Duration)> {
    let begun = std::iter::once((Phase::Prepare, cloned.prepared_in));
    begun.chain(cloned.outcome.phases.iter().copied())
}

/// The result of a stream that was restored: where it came from nobody needs to be told.
pub fn of_stream(outcome: &Outcome, took: Duration, detail: Detail) -> String {
    let (word, style) = match outcome.ending {
        Ending::Stopped => ("Stopped", WARNING),
        Ending::Complete if outcome.has_warnings() => ("Restored, with warnings,", WARNING),
        Ending::Complete => ("Restored", GOOD),
    };
    let rows: u64 = outcome.tables.iter().map(|table| table.source_rows).sum();
    format!(
        "{} a stream in {}\n\n  {:<13}{}\n  {:<13}{}\n{}{}",
        paint(style, word),
        duration(took),
        "tables",
        tables(outcome),
        "rows",
        grouped(rows),
        different(outcome),
        findings::text(&outcome.findings, detail)
    )
}

fn text(verb: &str, cloned: &Cloned, detail: Detail) -> String {
    let outcome = &cloned.outcome;
    let mut text = format!("{}\n\n", headline(verb, cloned));
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<13}{value}\n"));
    row("tables", &tables(outcome));
    let rows: u64 = outcome.tables.iter().map(|table| table.source_rows).sum();
    let size: u64 = outcome.tables.iter().map(|table| table.bytes).sum();
    row("rows", &grouped(rows));
    row("data", &bytes(size));
    row("indexes", &format!("{} built", grouped(outcome.indexes as u64)));
    row("constraints", &format!("{} added", grouped(outcome.constraints as u64)));
    row("moment", moment(outcome.consistency));
    let times: Vec<String> = phases(cloned)
        .map(|(phase, took)| format!("{} {}", phase_text(phase), duration(took)))
        .collect();
    row("time", &times.join(", "));
    text.push_str(&different(outcome));
    if detail >= Detail::Verbose {
        text.push_str(&all_tables(outcome));
    }
    text.push_str(&findings::text(&outcome.findings, detail));
    if outcome.ending == Ending::Stopped {
        let go_on = format!("\nGo on with `pghaul {verb} --resume …`; finished pieces are kept.\n");
        text.push_str(&go_on);
    }
    text
}

fn headline(verb: &str, cloned: &Cloned) -> String {
    let done = if verb == "restore" { "Restored" } else { "Cloned" };
    let (word, style) = match cloned.outcome.ending {
        Ending::Stopped => ("Stopped:".to_owned(), WARNING),
        Ending::Complete if cloned.outcome.has_warnings() => {
            (format!("{done}, with warnings:"), WARNING)
        }
        Ending::Complete => (format!("{done}:"), GOOD),
    };
    format!(
        "{} {} to {} in {}",
        paint(style, word),
        paint(STRONG, report::database(&cloned.source)),
        paint(STRONG, report::database(&cloned.target)),
        duration(cloned.took)
    )
}

/// Why all rows belong to one moment; the engine's names stand in the JSON.
fn moment(consistency: &str) -> &str {
    match consistency {
        "snapshot" => "one snapshot of the source",
        "proven-unchanged" => "two snapshots of the source, proven to be the same",
        "reverified" => {
            "two snapshots of the source; what the first gave was read again, and is equal"
        }
        other => other,
    }
}

/// How many, and what is proven of them.
fn tables(outcome: &Outcome) -> String {
    let all = outcome.tables.len();
    let verified = outcome.tables.iter().filter(|table| table.verified).count();
    let differ = outcome.tables.iter().filter(|table| differs(table)).count();
    let mut text = grouped(all as u64);
    if verified == all && all > 0 {
        text.push_str(", read back: all equal to the source in count and digest");
    } else if all > 0 {
        let so_far = if outcome.ending == Ending::Stopped { " so far" } else { "" };
        text.push_str(&format!(
            ", read back{so_far}: {} equal to the source in count and digest",
            grouped(verified as u64)
        ));
    }
    if differ > 0 {
        text.push_str(&format!(", {}", paint(BAD, format!("{differ} differ"))));
    }
    text
}

/// Whether the target was read back, or counted, and is not what was read on the source.
fn differs(table: &TableOutcome) -> bool {
    !table.differences.is_empty() || table.target_rows.is_some_and(|rows| rows != table.source_rows)
}

fn different(outcome: &Outcome) -> String {
    let mut text = String::new();
    for table in outcome.tables.iter().filter(|table| differs(table)) {
        text.push_str(&format!(
            "\n{} {}: {} rows on the source, {} on the target\n",
            paint(BAD, "differs"),
            table.name,
            grouped(table.source_rows),
            table.target_rows.map_or("unknown".to_owned(), grouped)
        ));
        for one in table.differences.iter().take(DIFFERENCES_NAMED) {
            let names = table.key.iter().map(pghaul::name::Ident::as_str);
            let values = one.key.iter().map(|value| value.as_deref().unwrap_or("NULL"));
            let key: Vec<String> =
                names.zip(values).map(|(name, value)| format!("{name}={value}")).collect();
            let places: Vec<String> = [("source", one.source), ("target", one.target)]
                .into_iter()
                .filter_map(|(side, tid)| tid.map(|tid| format!("{tid} on the {side}")))
                .collect();
            text.push_str(&format!(
                "  {:<8} {} {}\n",
                wire::difference_kind(one.kind),
                key.join(" "),
                paint(FAINT, places.join(", "))
            ));
        }
        if table.differences.len() > DIFFERENCES_NAMED {
            let more = table.differences.len() - DIFFERENCES_NAMED;
            text.push_str(&format!("  and {more} more in --json\n"));
        }
    }
    text
}

fn all_tables(outcome: &Outcome) -> String {
    let mut text = String::from("\n");
    let width = outcome.tables.iter().map(|table| table.name.to_string().chars().count()).max();
    for table in &outcome.tables {
        let proof = if table.verified { "equal" } else { "not compared" };
        text.push_str(&format!(
            "  {:<width$}  {:>14} rows  {:>10}  {}\n",
            table.name.to_string(),
            grouped(table.source_rows),
            bytes(table.bytes),
            if differs(table) { "DIFFERS" } else { proof },
            width = width.unwrap_or(0)
        ));
    }
    text
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "preparing",
        Phase::PreData => "schema",
        Phase::Data => "rows, indexes and reading back",
        Phase::PostData => "keys and the rest",
    }
}
