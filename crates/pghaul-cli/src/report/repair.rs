//! The results of `duplicates plan`, `repair` and `undo`.

use std::path::Path;
use std::time::Duration;

use pghaul::Finding;
use pghaul::duplicates::plan::Planned;
use pghaul::duplicates::repair::Repaired;
use pghaul::duplicates::undo::Undone;
use serde::Serialize;

use crate::console::style::{GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Results};
use crate::exit::Exit;
use crate::quantity::{counted, duration, grouped};
use crate::report::findings;
use crate::report::wire::Envelope;
use crate::signals::Signal;

#[derive(Serialize)]
struct PlanBody<'a> {
    plan: &'a Path,
    groups: u64,
    collisions: u64,
    rows_to_delete: u64,
    rows_to_change: u64,
    questions: u64,
}

/// Prints what was planned.
pub fn planned(console: &Console, took: Duration, planned: &Planned, out: &Path) -> Exit {
    let counts = &planned.counts;
    let exit = of_findings(&planned.findings);
    match console.results {
        Results::Json => {
            let body = PlanBody {
                plan: out,
                groups: counts.groups,
                collisions: counts.collisions,
                rows_to_delete: counts.deleted,
                rows_to_change: counts.changed,
                questions: counts.questions,
            };
            Envelope::new("duplicates plan", exit, took, &planned.findings, body)
                .print(console, exit)
        }
        Results::Text => {
            let headline = if counts.groups == 0 && counts.questions == 0 {
                paint(GOOD, "No duplicates: there is nothing to repair.")
            } else {
                paint(
                    STRONG,
                    format!("Planned: {}.", counted(groups(counts.groups), "group", "groups")),
                )
            };
            let text = format!(
                "{headline}\n\n  plan       {}\n  groups     {} ({} of rows that merging makes equal)\n  \
                 delete     {}\n  change     {}\n  questions  {}\n  took       {}\n\n\
                 Nothing was written to the database. `pghaul duplicates repair --plan {}` does it.\n",
                out.display(),
                grouped(counts.groups),
                grouped(counts.collisions),
                counted(groups(counts.deleted), "row", "rows"),
                counted(groups(counts.changed), "row", "rows"),
                grouped(counts.questions),
                duration(took),
                out.display(),
            );
            let text = text + &findings::text(&planned.findings, console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
    }
}

#[derive(Serialize)]
struct RepairBody {
    groups: u64,
    skipped: u64,
    asked: u64,
    rows_deleted: u64,
    rows_changed: u64,
    rows_without_key: u64,
}

/// Prints what was repaired.
pub fn repaired(
    console: &Console,
    took: Duration,
    repaired: &Repaired,
    signal: Option<Signal>,
) -> Exit {
    let exit =
        if repaired.stopped { Exit::of_signal(signal) } else { of_findings(&repaired.findings) };
    match console.results {
        Results::Json => {
            let body = RepairBody {
                groups: repaired.groups,
                skipped: repaired.skipped,
                asked: repaired.asked,
                rows_deleted: repaired.deleted,
                rows_changed: repaired.changed,
                rows_without_key: repaired.keyless,
            };
            Envelope::new("duplicates repair", exit, took, &repaired.findings, body)
                .print(console, exit)
        }
        Results::Text => {
            let headline = if repaired.stopped {
                paint(WARNING, "Stopped: what is done is kept; the same command goes on.")
            } else if exit == Exit::Done {
                paint(GOOD, "Repaired: every group of the plan.")
            } else if repaired.skipped == 0 && repaired.asked == 0 {
                paint(WARNING, "Repaired: every group of the plan. Look at what was found.")
            } else {
                paint(WARNING, "Repaired, but not everything.")
            };
            let done = repaired.groups.saturating_sub(repaired.skipped);
            let text = format!(
                "{headline}\n\n  groups   {} of {}; {} left alone, {} asked about\n  deleted  {}\n  \
                 changed  {}\n  took     {}\n\n\
                 Every row as it was is kept in schema pghaul: `pghaul duplicates undo` puts it back.\n",
                grouped(done),
                grouped(repaired.groups),
                grouped(repaired.skipped),
                grouped(repaired.asked),
                counted(groups(repaired.deleted), "row", "rows"),
                counted(groups(repaired.changed), "row", "rows"),
                duration(took),
            );
            let text = text + &findings::text(&repaired.findings, console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
    }
}

#[derive(Serialize)]
struct UndoBody<'a> {
    rows: u64,
    statements: &'a [String],
}

/// Prints what was undone.
pub fn undone(console: &Console, took: Duration, undone: &Undone, signal: Option<Signal>) -> Exit {
    let exit = if undone.stopped { Exit::of_signal(signal) } else { Exit::Done };
    match console.results {
        Results::Json => {
            let body = UndoBody { rows: undone.rows, statements: &undone.statements };
            Envelope::new("duplicates undo", exit, took, &[], body).print(console, exit)
        }
        Results::Text => {
            let headline = if undone.stopped {
                paint(WARNING, "Stopped: what is undone stays so; the same command goes on.")
            } else {
                paint(GOOD, "Undone: every row is as it was before the repair.")
            };
            let rows = counted(groups(undone.rows), "row", "rows");
            let mut text =
                format!("{headline}\n\n  put back  {rows}\n  took      {}\n", duration(took));
            if !undone.statements.is_empty() {
                text.push_str("\nDropped; once the duplicates are gone, this brings it back:\n\n");
                for statement in &undone.statements {
                    text.push_str(&format!("{statement};\n"));
                }
            }
            console.result(&text).err().unwrap_or(exit)
        }
    }
}

fn of_findings(findings: &[Finding]) -> Exit {
    Exit::of_severity(findings.iter().map(|finding| finding.severity).max())
}

fn groups(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
