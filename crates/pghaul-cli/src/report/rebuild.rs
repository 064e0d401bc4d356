//! The result of `rebuild`, and its plan.

use std::collections::BTreeMap;
use std::time::Duration;

use pghaul::duplicates::DuplicateRow;
use pghaul::name::Ident;
use pghaul::rebuild::amcheck::Verdict;
use pghaul::rebuild::plan::{Method, Task, WhyInPlace};
use pghaul::rebuild::{
    Index, IndexEnd, IndexOutcome, PreparedRebuild, Reason, Rebuilt, SharedKeys,
};
use serde::Serialize;

use crate::console::style::{BAD, FAINT, GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::quantity::{bytes, counted, duration, grouped, milliseconds};
use crate::report::findings;
use crate::report::wire::{Envelope, Nothing};
use crate::signals::Signal;

const VERB: &str = "rebuild";

/// Groups of an index that are shown to people without `-v`.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Body<'a> {
    database: &'a str,
    dry_run: bool,
    indexes: Vec<IndexLine<'a>>,
    leftovers_dropped: Vec<Relation<'a>>,
    views_refreshed: Vec<Relation<'a>>,
    versions_recorded: &'a [String],
}

#[derive(Serialize)]
struct IndexLine<'a> {
    schema: &'a str,
    table: &'a str,
    index: &'a str,
    reasons: Vec<&'static str>,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks_writers_because: Option<String>,
    bytes_before: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amcheck: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Vec<Group<'a>>>,
}

#[derive(Serialize)]
struct Group<'a> {
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    ctid: String,
    primary_key: BTreeMap<&'a str, Option<&'a str>>,
}

#[derive(Serialize)]
struct Relation<'a> {
    schema: &'a str,
    name: &'a str,
}

impl<'a> Relation<'a> {
    fn of(name: &'a pghaul::name::RelationName) -> Self {
        Self { schema: name.schema.as_str(), name: name.name.as_str() }
    }
}

/// Prints what would be done.
pub fn planned(console: &Console, took: Duration, place: &str, prepared: &PreparedRebuild) -> Exit {
    let (plan, exit) = (prepared.plan(), Exit::Done);
    match console.results {
        Results::Text => {
            let text =
                plan_text(place, prepared) + &findings::text(prepared.findings(), console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
        Results::Json => {
            let body = Body {
                database: place,
                dry_run: true,
                indexes: plan.tasks().map(task_line).collect(),
                leftovers_dropped: plan
                    .leftovers
                    .iter()
                    .map(|one| Relation::of(&one.name))
                    .collect(),
                views_refreshed: plan
                    .views
                    .iter()
                    .filter(|view| view.tasks.iter().any(|task| task.method == Method::Refresh))
                    .map(|view| Relation::of(&view.name))
                    .collect(),
                versions_recorded: &[],
            };
            Envelope::new(VERB, exit, took, prepared.findings(), body).print(console, exit)
        }
    }
}

/// Prints what was done, and gives the exit code.
pub fn done(
    console: &Console,
    took: Duration,
    place: &str,
    rebuilt: &Rebuilt,
    signal: Option<Signal>,
) -> Exit {
    let exit = if rebuilt.stopped {
        Exit::of_signal(signal)
    } else {
        Exit::of_severity(rebuilt.severity())
    };
    match console.results {
        Results::Text => {
            let text = text(place, rebuilt, took, console.detail)
                + &findings::text(&rebuilt.findings, console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
        Results::Json => {
            let body = Body {
                database: place,
                dry_run: false,
                indexes: rebuilt.indexes.iter().map(outcome_line).collect(),
                leftovers_dropped: rebuilt.dropped.iter().map(Relation::of).collect(),
                views_refreshed: rebuilt.refreshed.iter().map(Relation::of).collect(),
                versions_recorded: &rebuilt.recorded,
            };
            Envelope::new(VERB, exit, took, &rebuilt.findings, body).print(console, exit)
        }
    }
}

/// Prints that it was stopped before anything was done.
pub fn stopped(console: &Console, took: Duration, signal: Option<Signal>) -> Exit {
    let exit = Exit::of_signal(signal);
    match console.results {
        Results::Text => {
            console.message("stopped; nothing was done yet\n");
            exit
        }
        Results::Json => Envelope::new(VERB, exit, took, &[], Nothing {}).print(console, exit),
    }
}

fn line<'a>(index: &'a Index, reasons: &[Reason], method: &Method) -> IndexLine<'a> {
    IndexLine {
        schema: index.name.schema.as_str(),
        table: index.table.name.as_str(),
        index: index.name.name.as_str(),
        reasons: reasons.iter().map(|reason| reason.name()).collect(),
        method: method.name(),
        blocks_writers_because: why_in_place(method),
        bytes_before: index.bytes,
        result: None,
        bytes: None,
        amcheck: None,
        duration_ms: None,
        groups: None,
        extra_rows: None,
        sample: None,
    }
}

fn task_line(task: &Task) -> IndexLine<'_> {
    line(&task.index, &task.reasons, &task.method)
}

fn outcome_line(one: &IndexOutcome) -> IndexLine<'_> {
    let line = IndexLine {
        result: Some(one.end.name()),
        duration_ms: Some(milliseconds(one.took)),
        ..line(&one.index, &one.reasons, &one.method)
    };
    match &one.end {
        IndexEnd::Rebuilt { bytes, verdict } => {
            IndexLine { bytes: Some(*bytes), amcheck: Some(verdict_name(verdict)), ..line }
        }
        IndexEnd::Refused(Some(keys)) => IndexLine {
            groups: Some(keys.found.groups),
            extra_rows: Some(keys.found.extra_rows()),
            sample: Some(keys.groups.iter().map(|rows| group(rows, &keys.primary_key)).collect()),
            ..line
        },
        IndexEnd::Refused(None) | IndexEnd::Failed | IndexEnd::Gone | IndexEnd::NotDone => line,
    }
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Sound => "sound",
        Verdict::Damaged(_) => "damaged",
        Verdict::NotChecked | Verdict::Unreachable(_) => "not_checked",
    }
}

fn group<'a>(rows: &'a [DuplicateRow], primary_key: &'a [Ident]) -> Group<'a> {
    let row = |row: &'a DuplicateRow| Row {
        ctid: row.tid.to_string(),
        primary_key: primary_key
            .iter()
            .map(Ident::as_str)
            .zip(row.primary_key.iter().map(Option::as_deref))
            .collect(),
    };
    Group { rows: rows.iter().map(row).collect() }
}

fn why_in_place(method: &Method) -> Option<String> {
    match method {
        Method::InPlace(WhyInPlace::Asked) => Some("it was asked for".to_owned()),
        Method::InPlace(WhyInPlace::Exclusion) => Some("an exclusion constraint".to_owned()),
        Method::InPlace(WhyInPlace::HeldBy(holder)) => Some(format!("{holder} holds on to it")),
        Method::InPlace(WhyInPlace::Partition) => Some("a part of a partitioned index".to_owned()),
        Method::InPlace(WhyInPlace::Toast) => Some("a TOAST table's".to_owned()),
        Method::InPlace(WhyInPlace::NotRefreshed) => {
            Some("a view that could not be refreshed".to_owned())
        }
        Method::Concurrently | Method::Swap | Method::Refresh | Method::Parts => None,
    }
}

fn plan_text(place: &str, prepared: &PreparedRebuild) -> String {
    let plan = prepared.plan();
    let tasks: Vec<&Task> = plan.tasks().collect();
    if plan.is_empty() {
        return format!("{} {place}\n", paint(GOOD, "Nothing to rebuild:"));
    }
    let size: u64 = tasks.iter().map(|task| task.index.bytes).sum();
    let mut text = format!(
        "{} {}, {}: {place}\n",
        paint(STRONG, "To rebuild:"),
        counted(tasks.len(), "index", "indexes"),
        bytes(size)
    );
    for leftover in &plan.leftovers {
        text.push_str(&format!(
            "  drop {} (left behind by an interrupted rebuild of {})\n",
            leftover.name, leftover.replaces.name
        ));
    }
    for task in tasks {
        text.push_str(&format!(
            "  {} on {}, {}\n    {} ({})\n",
            task.index.name,
            task.index.table,
            bytes(task.index.bytes),
            task.method.name(),
            reasons(&task.reasons)
        ));
        if let Some(why) = why_in_place(&task.method) {
            text.push_str(&format!("    {}\n", paint(FAINT, format!("writers wait: {why}"))));
        }
    }
    text
}

fn reasons(reasons: &[Reason]) -> String {
    let names: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
    names.join(", ")
}

fn text(place: &str, rebuilt: &Rebuilt, took: Duration, detail: Detail) -> String {
    let done: Vec<&IndexOutcome> =
        rebuilt.indexes.iter().filter(|one| matches!(one.end, IndexEnd::Rebuilt { .. })).collect();
    let all = rebuilt.indexes.len();
    let verdict = match (done.len() == all, rebuilt.stopped) {
        (_, true) => paint(WARNING, "Stopped:"),
        (true, false) if all == 0 => paint(GOOD, "Nothing to rebuild:"),
        (true, false) => paint(GOOD, "Rebuilt:"),
        (false, false) => paint(BAD, "Not all rebuilt:"),
    };
    let mut text = format!("{verdict} {place} in {}\n\n", duration(took));
    let (before, now) = done.iter().fold((0, 0), |(before, now), one| match &one.end {
        IndexEnd::Rebuilt { bytes, .. } => (before + one.index.bytes, now + bytes),
        _ => (before, now),
    });
    text.push_str(&format!(
        "  indexes    {} of {}",
        grouped(done.len() as u64),
        grouped(all as u64)
    ));
    if !done.is_empty() {
        text.push_str(&format!(" ({} before, {} now)", bytes(before), bytes(now)));
    }
    text.push('\n');
    let checked = done
        .iter()
        .filter(|one| matches!(&one.end, IndexEnd::Rebuilt { verdict: Verdict::Sound, .. }));
    let checked = checked.count();
    if checked > 0 {
        text.push_str(&format!("  amcheck    {} sound\n", grouped(checked as u64)));
    }
    let mut list = |label: &str, names: Vec<String>| {
        if !names.is_empty() {
            text.push_str(&format!("  {label:<10} {}\n", names.join(", ")));
        }
    };
    list("dropped", rebuilt.dropped.iter().map(ToString::to_string).collect());
    list("refreshed", rebuilt.refreshed.iter().map(ToString::to_string).collect());
    list("recorded", rebuilt.recorded.clone());
    for one in &rebuilt.indexes {
        if detail < Detail::Verbose && matches!(one.end, IndexEnd::Rebuilt { .. }) {
            continue;
        }
        text.push_str(&format!(
            "\n  {} {}: {} ({}), {}\n",
            paint(STRONG, &one.index.name),
            one.end.name().replace('_', " "),
            one.method.name(),
            reasons(&one.reasons),
            duration(one.took)
        ));
        if let IndexEnd::Refused(Some(keys)) = &one.end {
            text.push_str(&groups(keys, detail));
        }
    }
    text
}

/// `(0,1) id=1 = (0,7) id=9`, a line each.
fn groups(keys: &SharedKeys, detail: Detail) -> String {
    let shown = if detail >= Detail::Verbose { keys.groups.len() } else { SHOWN };
    let mut text = String::new();
    for rows in keys.groups.iter().take(shown) {
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let mut text = row.tid.to_string();
                for (column, value) in keys.primary_key.iter().zip(&row.primary_key) {
                    text.push_str(&format!(" {column}={}", value.as_deref().unwrap_or("null")));
                }
                text
            })
            .collect();
        text.push_str(&format!("    {}\n", rows.join(", ")));
    }
    let shown = shown.min(keys.groups.len()) as u64;
    if keys.found.groups > shown {
        let more = format!("and {} groups more", grouped(keys.found.groups - shown));
        text.push_str(&format!("    {}\n", paint(FAINT, more)));
    }
    text
}
