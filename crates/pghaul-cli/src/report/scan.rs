//! The result of `duplicates scan`.
//!
//! Invariant: rows are named by ctid and primary key; their keys stand there only if they were
//! asked for.

pub mod file;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pghaul::duplicates::survey::{GroupedBy, IndexSurvey, KeySurvey, Survey};
use pghaul::duplicates::{DuplicateRow, IndexDefinition};
use serde::Serialize;

use crate::console::style::{FAINT, GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::quantity::{counted, duration, grouped};
use crate::report::findings;
use crate::report::wire::{Envelope, Nothing};
use crate::signals::Signal;

/// The verb, as results name it.
pub const VERB: &str = "duplicates scan";

#[derive(Serialize)]
struct Body<'a> {
    indexes: Vec<Index<'a>>,
    foreign_keys: Vec<ForeignKey<'a>>,
    repeated: u32,
}

#[derive(Serialize)]
struct Index<'a> {
    schema: &'a str,
    table: &'a str,
    index: &'a str,
    rows: u64,
    groups: u64,
    extra_rows: u64,
    grouped_by: &'static str,
    sample: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    rows: Vec<Row<'a>>,
}

/// A row of a group.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    ctid: String,
    /// Where it lies, in partition trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<Relation<'a>>,
    primary_key: BTreeMap<&'a str, Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<BTreeMap<&'a str, Option<&'a str>>>,
}

#[derive(Serialize)]
struct Relation<'a> {
    schema: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct ForeignKey<'a> {
    schema: &'a str,
    table: &'a str,
    foreign_key: &'a str,
    validated: bool,
    orphans: u64,
    sample: Vec<Row<'a>>,
}

/// Prints what was found, and gives the exit code.
pub fn done(console: &Console, took: Duration, survey: &Survey, out: Option<&Path>) -> Exit {
    let gravest = survey.findings.iter().map(|finding| finding.severity).max();
    let exit = Exit::of_severity(gravest);
    match console.results {
        Results::Text => {
            let text = text(survey, took, console.detail, out)
                + &findings::text(&survey.findings, console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
        Results::Json => {
            let body = Body {
                indexes: survey.indexes.iter().map(index).collect(),
                foreign_keys: survey.foreign_keys.iter().map(foreign_key).collect(),
                repeated: survey.repeated,
            };
            Envelope::new(VERB, exit, took, &survey.findings, body).print(console, exit)
        }
    }
}

/// Prints that it was stopped, and gives the exit code.
pub fn stopped(console: &Console, took: Duration, signal: Option<Signal>) -> Exit {
    let exit = Exit::of_signal(signal);
    match console.results {
        Results::Text => {
            console.message("stopped; nothing was kept, a scan begins from the start\n");
            exit
        }
        Results::Json => Envelope::new(VERB, exit, took, &[], Nothing {}).print(console, exit),
    }
}

fn index(found: &IndexSurvey) -> Index<'_> {
    let definition = &found.definition;
    Index {
        schema: definition.table.schema.as_str(),
        table: definition.table.name.as_str(),
        index: definition.name.name.as_str(),
        rows: found.rows,
        groups: found.found.groups,
        extra_rows: found.found.extra_rows(),
        grouped_by: match found.grouped_by {
            GroupedBy::Pghaul => "pghaul",
            GroupedBy::Server => "server",
        },
        sample: found
            .sample
            .iter()
            .map(|group| Group { rows: group.iter().map(|one| row(definition, one)).collect() })
            .collect(),
    }
}

/// A row as it is printed.
pub(crate) fn row<'a>(definition: &'a IndexDefinition, row: &'a DuplicateRow) -> Row<'a> {
    let elsewhere = *row.relation != definition.table;
    let columns = definition.primary_key.iter().map(pghaul::name::Ident::as_str);
    Row {
        ctid: row.tid.to_string(),
        partition: elsewhere.then(|| Relation {
            schema: row.relation.schema.as_str(),
            name: row.relation.name.as_str(),
        }),
        primary_key: columns.zip(row.primary_key.iter().map(Option::as_deref)).collect(),
        key: row
            .key
            .as_ref()
            .map(|key| definition.expressions().zip(key.iter().map(Option::as_deref)).collect()),
    }
}

fn foreign_key(found: &KeySurvey) -> ForeignKey<'_> {
    let key = &found.key;
    ForeignKey {
        schema: key.child.schema.as_str(),
        table: key.child.name.as_str(),
        foreign_key: key.name.as_str(),
        validated: key.validated,
        orphans: found.orphans,
        sample: found
            .sample
            .iter()
            .map(|orphan| Row {
                ctid: orphan.tid.to_string(),
                partition: (orphan.relation != key.child).then(|| Relation {
                    schema: orphan.relation.schema.as_str(),
                    name: orphan.relation.name.as_str(),
                }),
                primary_key: key
                    .primary_key
                    .iter()
                    .map(pghaul::name::Ident::as_str)
                    .zip(orphan.primary_key.iter().map(Option::as_deref))
                    .collect(),
                key: None,
            })
            .collect(),
    }
}

fn text(survey: &Survey, took: Duration, detail: Detail, out: Option<&Path>) -> String {
    let with_groups: Vec<&IndexSurvey> =
        survey.indexes.iter().filter(|index| index.found.groups > 0).collect();
    let rows: u64 = survey.indexes.iter().map(|index| index.rows).sum();
    let scanned = format!(
        "{} scanned, {} rows read in {}",
        counted(survey.indexes.len(), "unique index", "unique indexes"),
        grouped(rows),
        duration(took)
    );
    let mut text = if with_groups.is_empty() {
        format!("{} {scanned}.\n", paint(GOOD, "No duplicates."))
    } else {
        let groups: u64 = with_groups.iter().map(|index| index.found.groups).sum();
        let groups = usize::try_from(groups).unwrap_or(usize::MAX);
        let verdict = format!("Duplicates: {}.", counted(groups, "group", "groups"));
        format!("{} {scanned}.\n", paint(WARNING, verdict))
    };
    if survey.repeated > 0 {
        text.push_str(&format!("  begun again, its snapshot was lost: {}\n", survey.repeated));
    }
    let shown: Vec<&IndexSurvey> =
        if detail >= Detail::Verbose { survey.indexes.iter().collect() } else { with_groups };
    if !shown.is_empty() {
        text.push_str(&table(&shown));
    }
    if let Some(out) = out {
        text.push_str(&format!("\n  all groups: {}\n", out.display()));
    }
    for index in shown.iter().filter(|index| !index.sample.is_empty()) {
        text.push_str(&sample(index));
    }
    text
}

fn table(indexes: &[&IndexSurvey]) -> String {
    let mut lines: Vec<[String; 5]> =
        vec![["index", "table", "rows", "groups", "rows too many"].map(str::to_owned)];
    lines.extend(indexes.iter().map(|index| {
        let by_server = if index.grouped_by == GroupedBy::Server { " *" } else { "" };
        [
            format!("{}{by_server}", index.definition.name.name),
            index.definition.table.to_string(),
            grouped(index.rows),
            grouped(index.found.groups),
            grouped(index.found.extra_rows()),
        ]
    }));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = "\n".to_owned();
    for (at, line) in lines.iter().enumerate() {
        let shown = format!(
            "{:<3$}  {:<4$}  {:>5$}  ",
            line[0], line[1], line[2], widths[0], widths[1], widths[2]
        ) + &format!("{:>2$}  {:>3$}", line[3], line[4], widths[3], widths[4]);
        let shown = if at == 0 { paint(STRONG, shown) } else { shown };
        text.push_str(&format!("  {shown}\n"));
    }
    if indexes.iter().any(|index| index.grouped_by == GroupedBy::Server) {
        let note = "* grouped by the server: no hash function belongs to the operator class";
        text.push_str(&format!("  {}\n", paint(FAINT, note)));
    }
    text
}

fn sample(index: &IndexSurvey) -> String {
    let mut text = format!("\n  {}\n", paint(STRONG, &index.definition.name));
    for group in &index.sample {
        let rows: Vec<String> = group.iter().map(|row| row_text(&index.definition, row)).collect();
        text.push_str(&format!("    {}\n", rows.join(", ")));
    }
    let groups = index.sample.len() as u64;
    if index.found.groups > groups {
        let more =
            format!("and {} groups more; --out names all", grouped(index.found.groups - groups));
        text.push_str(&format!("    {}\n", paint(FAINT, more)));
    }
    text
}

/// `(0,1) id=1`.
fn row_text(definition: &IndexDefinition, row: &DuplicateRow) -> String {
    let mut text = row.tid.to_string();
    if *row.relation != definition.table {
        text = format!("{} {text}", row.relation);
    }
    for (column, value) in definition.primary_key.iter().zip(&row.primary_key) {
        text.push_str(&format!(" {column}={}", value.as_deref().unwrap_or("null")));
    }
    for (expression, value) in definition.expressions().zip(row.key.iter().flatten()) {
        text.push_str(&format!(" [{expression} {}]", value.as_deref().unwrap_or("null")));
    }
    text
}
