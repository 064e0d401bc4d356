//! The plan: `--dry-run` of a clone or a restore.

use std::collections::BTreeMap;
use std::time::Duration;

use pghaul::plan::{Plan, TablePlan, format_name};
use pghaul::run::PreparedClone;
use pghaul::schema::Step;
use pghaul::schema::step::{Makes, Stage};
use serde::Serialize;

use crate::console::style::{FAINT, STRONG, paint};
use crate::console::{Console, Results};
use crate::exit::Exit;
use crate::quantity::{bytes, counted};
use crate::report;
use crate::report::findings;
use crate::report::wire::{self, Envelope};

#[derive(Serialize)]
struct Body<'a> {
    dry_run: bool,
    source: wire::Database,
    target: wire::Database,
    plan: Planned<'a>,
}

#[derive(Serialize)]
struct Planned<'a> {
    disk_bytes: u64,
    parts: usize,
    tables: Vec<Table<'a>>,
    steps: Vec<Statement<'a>>,
    refreshes: Vec<Relation<'a>>,
    sequences: usize,
}

#[derive(Serialize)]
struct Table<'a> {
    schema: &'a str,
    name: &'a str,
    disk_bytes: u64,
    format: &'static str,
    reason: &'a str,
    parts: usize,
    written_to: Relation<'a>,
}

#[derive(Serialize)]
struct Relation<'a> {
    schema: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Statement<'a> {
    stage: &'static str,
    makes: String,
    kind: &'a str,
    object: &'a str,
}

/// Prints the plan; gives the exit code.
pub fn print(
    console: &Console,
    verb: &'static str,
    took: Duration,
    prepared: &PreparedClone,
) -> Exit {
    let severity = prepared.findings().iter().map(|finding| finding.severity).max();
    let exit = Exit::of_severity(severity);
    match console.results {
        Results::Text => match console.result(&text(console, verb, prepared)) {
            Ok(()) => exit,
            Err(exit) => exit,
        },
        Results::Json => {
            let (source, target) = prepared.identities();
            let body = Body {
                dry_run: true,
                source: wire::database(source),
                target: wire::database(target),
                plan: planned(prepared),
            };
            Envelope::new(verb, exit, took, prepared.findings(), body).print(console, exit)
        }
    }
}

fn planned(prepared: &PreparedClone) -> Planned<'_> {
    let plan = prepared.plan();
    Planned {
        disk_bytes: plan.bytes(),
        parts: plan.parts.len(),
        tables: with_parts(plan)
            .map(|(table, parts)| Table {
                schema: table.name.schema.as_str(),
                name: table.name.name.as_str(),
                disk_bytes: table.bytes,
                format: format_name(table.format.format),
                reason: &table.format.reason,
                parts,
                written_to: relation(&table.written_to),
            })
            .collect(),
        steps: prepared.steps().map(statement).collect(),
        refreshes: plan.refreshes.iter().map(relation).collect(),
        sequences: plan.sequences.len(),
    }
}

fn relation(name: &pghaul::name::RelationName) -> Relation<'_> {
    Relation { schema: name.schema.as_str(), name: name.name.as_str() }
}

/// Each table with the number of its parts.
fn with_parts(plan: &Plan) -> impl Iterator<Item = (&TablePlan, usize)> {
    let mut counts = vec![0; plan.tables.len()];
    for part in &plan.parts {
        if let Some(count) = counts.get_mut(part.table) {
            *count += 1;
        }
    }
    plan.tables.iter().zip(counts)
}

fn text(console: &Console, verb: &str, prepared: &PreparedClone) -> String {
    let plan = prepared.plan();
    let (source, target) = prepared.identities();
    let mut text = format!(
        "{} {} to {}; nothing was written\n\n",
        paint(STRONG, format!("Would {verb}")),
        report::database(source),
        report::database(target)
    );
    text.push_str(&format!(
        "{}, {} on disk, in {}\n",
        counted(plan.tables.len(), "table", "tables"),
        bytes(plan.bytes()),
        counted(plan.parts.len(), "part", "parts")
    ));
    let names = |table: &TablePlan| table.name.to_string();
    let width = plan.tables.iter().map(|table| names(table).chars().count()).max().unwrap_or(0);
    for (table, parts) in with_parts(plan) {
        let mut line = format!(
            "  {:<width$}  {:>10}  {:>10}  {}",
            names(table),
            bytes(table.bytes),
            counted(parts, "part", "parts"),
            format_name(table.format.format),
        );
        if !table.format.reason.is_empty() {
            line.push_str(&paint(FAINT, format!("  {}", table.format.reason)));
        }
        if table.written_to != table.name {
            line.push_str(&paint(FAINT, format!("  through {}", table.written_to)));
        }
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(&steps(prepared));
    text.push_str(&findings::text(prepared.findings(), console.detail));
    text
}

fn steps(prepared: &PreparedClone) -> String {
    let mut counts: BTreeMap<(Stage, String), usize> = BTreeMap::new();
    for step in prepared.steps() {
        *counts.entry((step.stage, makes(step))).or_default() += 1;
    }
    let mut text =
        format!("\n{} of the schema\n", counted(prepared.steps().count(), "step", "steps"));
    for ((stage, makes), count) in counts {
        text.push_str(&format!(
            "  {:<14}  {count:>6}  {makes}\n",
            stage_name(stage).replace('_', " ")
        ));
    }
    let sequences = prepared.plan().sequences.len();
    text.push_str(&format!("\n{} to set\n", counted(sequences, "sequence", "sequences")));
    text
}

fn statement(step: &Step) -> Statement<'_> {
    Statement {
        stage: stage_name(step.stage),
        makes: makes(step),
        kind: step.kind.name(),
        object: &step.object,
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::PreData => "pre_data",
        Stage::Index => "index",
        Stage::PostData => "post_data",
        Stage::Privileges => "privileges",
        Stage::Refresh => "refresh",
        Stage::Statistics => "statistics",
        Stage::EventTriggers => "event_triggers",
    }
}

/// What a step makes, in words.
fn makes(step: &Step) -> String {
    let kind = step.kind.name().to_lowercase();
    match step.makes {
        Makes::Entry => kind,
        Makes::KeyIndex => format!("index of a {kind}"),
        Makes::IndexRole => "role of an index".to_owned(),
        Makes::ForeignKey => format!("{kind}, not validated"),
        Makes::Validation => format!("validation of a {kind}"),
        Makes::Refresh => format!("refresh of a {kind}"),
        Makes::OwnerGrant => "privilege to create, for an owner, for a while".to_owned(),
    }
}
