//! The result of a comparison.

use std::path::Path;
use std::time::Duration;

use pghaul::event::Phase;
use pghaul::name::{Ident, RelationName};
use pghaul::run::Ending;
use pghaul::schema::compare::{SchemaDifference, SchemaDifferenceKind};
use pghaul::state::DatabaseIdentity;
use pghaul::verify::difference::Difference;
use pghaul::verify::pairs::PairKind;
use pghaul::verify::{VerifiedTable, VerifyOutcome};
use serde::Serialize;

use crate::console::style::{BAD, FAINT, GOOD, STRONG, WARNING, paint};
use crate::console::{Console, Detail, Results};
use crate::exit::Exit;
use crate::quantity::{counted, duration, grouped};
use crate::report;
use crate::report::findings;
use crate::report::rows::{DifferentRows, Rows, SHOWN};
use crate::report::wire::{self, Envelope};
use crate::signals::Signal;

/// What a comparison was.
pub struct Verified {
    /// The one side.
    pub source: DatabaseIdentity,
    /// The other.
    pub target: DatabaseIdentity,
    /// From the first connection to the end.
    pub took: Duration,
    /// The time before anything was compared.
    pub prepared_in: Duration,
    /// What the engine says.
    pub outcome: VerifyOutcome,
    /// Rows that differ.
    pub differences: DifferentRows,
    /// What stopped it, if anything did.
    pub signal: Option<Signal>,
}

/// The name of the verb.
pub const VERB: &str = "verify";

#[derive(Serialize)]
struct Body<'a> {
    source: wire::Database,
    target: wire::Database,
    tables: Vec<Table<'a>>,
    schema: Vec<SchemaEntry<'a>>,
    sequences: usize,
    large_objects: usize,
    moments: u32,
    proven_unchanged: bool,
    resumed: Resumed,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    phases: Vec<wire::Phase>,
}

/// What an interrupted comparison had compared.
#[derive(Serialize)]
struct Resumed {
    tables: usize,
    parts: usize,
}

/// The body of a comparison that was stopped before it compared anything.
#[derive(Serialize)]
struct Stopped {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

#[derive(Serialize)]
struct Table<'a> {
    schema: &'a str,
    name: &'a str,
    kind: &'static str,
    source_rows: u64,
    target_rows: u64,
    bytes: u64,
    digest: Option<String>,
    target_digest: Option<String>,
    digest_kind: Option<&'static str>,
    verified: bool,
    sampled: bool,
    all_differences: bool,
    recheck: Option<Recheck>,
    moment: u32,
    differences: Rows<'a>,
}

#[derive(Serialize)]
struct Recheck {
    looks: u32,
    agreed: usize,
    stayed: usize,
    moving: usize,
}

/// An entry of the schemas that differs.
#[derive(Serialize)]
pub(super) struct SchemaEntry<'a> {
    kind: &'a str,
    object: &'a str,
    difference: &'static str,
    detail: Option<&'a str>,
}

/// Prints the result of a comparison that came to an end; gives its exit code.
pub fn done(console: &Console, verified: &Verified) -> Exit {
    let outcome = &verified.outcome;
    let exit = match outcome.ending {
        Ending::Complete => Exit::of_severity(outcome.severity()),
        Ending::Stopped => Exit::of_signal(verified.signal),
    };
    match console.results {
        Results::Text => {
            console.result(&text(verified, exit, console.detail)).err().unwrap_or(exit)
        }
        Results::Json => {
            let body = Body {
                source: wire::database(&verified.source),
                target: wire::database(&verified.target),
                tables: outcome.tables.iter().map(|one| table(one, verified)).collect(),
                schema: outcome.schema.iter().map(schema_entry).collect(),
                sequences: outcome.sequences,
                large_objects: outcome.large_objects,
                moments: outcome.moments,
                proven_unchanged: outcome.proven_unchanged,
                resumed: Resumed { tables: outcome.resumed.tables, parts: outcome.resumed.parts },
                state: outcome.state.as_deref().map(shown),
                phases: phases(verified).map(|(phase, took)| wire::phase(phase, took)).collect(),
            };
            Envelope::new(VERB, exit, verified.took, &outcome.findings, body).print(console, exit)
        }
    }
}

/// Prints that a comparison was stopped before anything was compared; gives its exit code.
/// `state` is the file that an earlier one has left.
pub fn stopped(
    console: &Console,
    took: Duration,
    (signal, state): (Option<Signal>, Option<&Path>),
) -> Exit {
    let exit = Exit::of_signal(signal);
    match console.results {
        Results::Text => {
            let go_on = state.map(goes_on).unwrap_or_default();
            let text = format!("Stopped. Nothing was compared.\n{go_on}");
            console.result(&text).err().unwrap_or(exit)
        }
        Results::Json => {
            let body = Stopped { state: state.map(shown) };
            Envelope::new(VERB, exit, took, &[], body).print(console, exit)
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// How to go on.
fn goes_on(state: &Path) -> String {
    format!("The same command goes on; what was compared is kept in {}\n", state.display())
}

fn table<'a>(table: &'a VerifiedTable, verified: &'a Verified) -> Table<'a> {
    let digest = |digest: pghaul_rows::TableDigest| table.digest_kind.map(|_| digest.to_string());
    Table {
        schema: table.name.schema.as_str(),
        name: table.name.name.as_str(),
        kind: match table.kind {
            PairKind::Tables => "table",
            PairKind::MaterializedViews => "materialized_view",
        },
        source_rows: table.source.rows,
        target_rows: table.target.rows,
        bytes: table.bytes,
        digest: digest(table.source),
        target_digest: digest(table.target),
        digest_kind: table.digest_kind.map(pghaul_rows::ImageKind::name),
        verified: table.equal && table.digest_kind.is_some() && !table.sampled,
        sampled: table.sampled,
        all_differences: table.all_named,
        recheck: table.recheck.map(|seen| Recheck {
            looks: seen.looks,
            agreed: seen.agreed,
            stayed: seen.stayed,
            moving: seen.moving,
        }),
        moment: table.moment,
        differences: verified.differences.all(&table.name),
    }
}

pub(super) fn schema_entry(one: &SchemaDifference) -> SchemaEntry<'_> {
    SchemaEntry {
        kind: &one.kind,
        object: &one.object,
        difference: match one.how {
            SchemaDifferenceKind::Missing => "missing",
            SchemaDifferenceKind::Extra => "extra",
            SchemaDifferenceKind::Changed => "changed",
        },
        detail: (!one.what.is_empty()).then_some(one.what.as_str()),
    }
}

fn phases(verified: &Verified) -> impl Iterator<Item = (Phase, Duration)> {
    let begun = std::iter::once((Phase::Prepare, verified.prepared_in));
    begun.chain(verified.outcome.phases.iter().copied())
}

fn text(verified: &Verified, exit: Exit, detail: Detail) -> String {
    let outcome = &verified.outcome;
    let mut text = format!("{}\n\n", headline(verified, exit));
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<15}{value}\n"));
    row("tables", &tables(&outcome.tables));
    if outcome.resumed != pghaul::verify::Resumed::default() {
        row("compared before", &compared_before(outcome));
    }
    let rows: u64 = outcome.tables.iter().map(|table| table.source.rows).sum();
    row("rows", &grouped(rows));
    row("sequences", &grouped(outcome.sequences as u64));
    row("large objects", &grouped(outcome.large_objects as u64));
    let times: Vec<String> = phases(verified)
        .map(|(phase, took)| format!("{} {}", phase_text(phase), duration(took)))
        .collect();
    row("time", &times.join(", "));
    for table in outcome.tables.iter().filter(|table| !table.equal) {
        text.push_str(&different(table, verified));
    }
    if detail >= Detail::Verbose {
        text.push_str(&all_tables(&outcome.tables));
    }
    text.push_str(&findings::text(&outcome.findings, detail));
    if let Some(state) = &outcome.state {
        text.push_str(&format!("\n{}", goes_on(state)));
    }
    text
}

/// What an interrupted comparison had compared, and whether that is of the same moment.
fn compared_before(outcome: &VerifyOutcome) -> String {
    let tables = counted(outcome.resumed.tables, "table", "tables");
    let parts = counted(outcome.resumed.parts, "part of others", "parts of others");
    let moment = match (outcome.moments, outcome.proven_unchanged) {
        (1, true) => "nothing was written since",
        _ => "at an earlier moment",
    };
    format!("{tables}, {parts}: {moment}")
}

fn headline(verified: &Verified, exit: Exit) -> String {
    let (word, style) = match exit {
        // What a materialized view shows is computed: a note, and no difference.
        Exit::Done if verified.outcome.tables.iter().any(|table| !table.equal) => {
            ("Equal but for materialized views:", GOOD)
        }
        Exit::Done => match compared(&verified.outcome.tables) {
            Compared::Counts => ("Equal in count:", GOOD),
            Compared::Samples => ("Equal in count and a sample:", GOOD),
            Compared::Rows => ("Equal:", GOOD),
        },
        Exit::Found => ("Different:", BAD),
        _ => ("Stopped:", WARNING),
    };
    format!(
        "{} {} and {}, in {}",
        paint(style, word),
        paint(STRONG, report::database(&verified.source)),
        paint(STRONG, report::database(&verified.target)),
        duration(verified.took)
    )
}

/// What was compared of every table, if not more.
enum Compared {
    Counts,
    Samples,
    Rows,
}

fn compared(tables: &[VerifiedTable]) -> Compared {
    if tables.iter().any(|table| table.digest_kind.is_none()) {
        Compared::Counts
    } else if tables.iter().any(|table| table.sampled) {
        Compared::Samples
    } else {
        Compared::Rows
    }
}

/// How many, and what is proven of them.
fn tables(tables: &[VerifiedTable]) -> String {
    let differ = tables.iter().filter(|table| !table.equal).count();
    let how = match compared(tables) {
        Compared::Counts => "count",
        Compared::Samples => "count, and in the digest of a sample",
        Compared::Rows => "count and digest",
    };
    let equal = grouped((tables.len() - differ) as u64);
    let mut text = match (tables.len(), differ) {
        (0, _) => "none".to_owned(),
        (all, 0) => format!("{}, all equal in {how}", grouped(all as u64)),
        (all, _) => format!("{}, {equal} equal in {how}", grouped(all as u64)),
    };
    if differ > 0 {
        text.push_str(&format!(", {}", paint(BAD, format!("{differ} differ"))));
    }
    text
}

fn different(table: &VerifiedTable, verified: &Verified) -> String {
    let mut text = format!(
        "\n{} {}: {} rows on the source, {} on the target\n",
        paint(BAD, "differs"),
        table.name,
        grouped(table.source.rows),
        grouped(table.target.rows)
    );
    text.push_str(&rows_text(&verified.differences, &table.name, (table.named, table.all_named)));
    text
}

/// Some of the rows of a table that differ, how many more were named, and whether these are all.
pub(super) fn rows_text(
    rows: &DifferentRows,
    table: &RelationName,
    (named, all_named): (usize, bool),
) -> String {
    let lines = rows.first(table).map(|(key, one)| format!("  {}\n", difference_line(key, one)));
    let mut text: String = lines.collect();
    if named > SHOWN {
        let more = grouped((named - SHOWN) as u64);
        text.push_str(&format!("  and {more} more in --json and --out\n"));
    }
    if !all_named && named > 0 {
        text.push_str("  more differ than were named; --max-differences names more\n");
    }
    text
}

fn difference_line(key: &[Ident], one: &Difference) -> String {
    let values = one.key.iter().map(|value| value.as_deref().unwrap_or("NULL"));
    let mut parts: Vec<String> = key
        .iter()
        .map(Ident::as_str)
        .zip(values)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if parts.is_empty() {
        parts.push(format!("row {}", one.key_digest));
    }
    if one.copies > 1 {
        parts.push(format!("({} copies)", one.copies));
    }
    if one.values.is_empty() && !one.columns.is_empty() {
        let columns: Vec<&str> = one.columns.iter().map(Ident::as_str).collect();
        parts.push(format!("in {}", columns.join(", ")));
    }
    for value in &one.values {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
        parts.push(format!(
            "{}: {} | {}",
            value.column,
            shown(&value.source),
            shown(&value.target)
        ));
    }
    let relation = |name: &Option<RelationName>| {
        name.as_ref().map(|name| format!("{name} ")).unwrap_or_default()
    };
    let places: Vec<String> = [
        (relation(&one.source_relation), "source", one.source),
        (relation(&one.target_relation), "target", one.target),
    ]
    .into_iter()
    .filter_map(|(relation, side, tid)| tid.map(|tid| format!("{relation}{tid} on the {side}")))
    .collect();
    format!(
        "{:<8} {} {}",
        wire::difference_kind(one.kind),
        parts.join(" "),
        paint(FAINT, places.join(", "))
    )
}

fn all_tables(tables: &[VerifiedTable]) -> String {
    let mut text = String::from("\n");
    let width = tables.iter().map(|table| table.name.to_string().chars().count()).max();
    for table in tables {
        let kind = table.digest_kind.map_or("counted", pghaul_rows::ImageKind::name);
        text.push_str(&format!(
            "  {:<width$}  {:>14} rows  {:<13}  {}\n",
            table.name.to_string(),
            grouped(table.source.rows),
            kind,
            if table.equal { "equal" } else { "DIFFERS" },
            width = width.unwrap_or(0)
        ));
    }
    text
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "preparing",
        Phase::PreData => "schemas and the like",
        Phase::Data => "rows",
        Phase::PostData => "naming differences",
    }
}
