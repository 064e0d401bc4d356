//! JSON lines: one object for each fact, and one a second for the numbers that move.
//!
//! Invariant: names and meanings are only added to; `"v":1` stands in every line.

use std::time::Duration;

use serde_json::{Value, json};

use super::estimate::Remaining;
use super::tracker::{Sample, Told};
use super::{Renderer, holders};
use crate::console::Console;
use crate::quantity::milliseconds;
use crate::report;

/// Writes objects.
pub(super) struct Json {
    console: Console,
}

impl Json {
    pub(super) fn new(console: Console) -> Self {
        Self { console }
    }

    fn write(&self, event: &str, at: Duration, mut object: Value) {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("v".to_owned(), json!(1));
            fields.insert("event".to_owned(), json!(event));
            fields.insert("elapsed_ms".to_owned(), json!(milliseconds(at)));
        }
        self.console.message(&format!("{object}\n"));
    }
}

impl Renderer for Json {
    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn told(&mut self, told: &Told, at: Duration) {
        let (event, object) = match told {
            Told::Message(text) => ("message", json!({"message": text})),
            Told::Planned { tables, parts, bytes } => {
                ("planned", json!({"tables": tables, "parts": parts, "disk_bytes": bytes}))
            }
            Told::PhaseStarted(phase) => ("phase_started", json!({"phase": report::phase(*phase)})),
            Told::PhaseFinished(phase, took) => (
                "phase_finished",
                json!({"phase": report::phase(*phase), "duration_ms": milliseconds(*took)}),
            ),
            Told::PieceCommitted { table, rows, bytes } => (
                "piece_committed",
                json!({"schema": table.schema, "name": table.name, "rows": rows, "bytes": bytes}),
            ),
            Told::TableCopied { table, rows } => {
                ("table_copied", json!({"schema": table.schema, "name": table.name, "rows": rows}))
            }
            Told::TableVerified { table, equal } => (
                "table_verified",
                json!({"schema": table.schema, "name": table.name, "equal": equal}),
            ),
            Told::StepStarted { kind, object } => {
                ("step_started", json!({"kind": kind, "object": object}))
            }
            Told::StepCommitted { kind, object, took } => (
                "step_committed",
                json!({"kind": kind, "object": object, "duration_ms": milliseconds(*took)}),
            ),
            Told::Retrying { what, after } => {
                ("retrying", json!({"message": what, "after_ms": milliseconds(*after)}))
            }
            Told::NoAnswer { side, since } => {
                ("no_answer", json!({"side": side.to_string(), "since_ms": milliseconds(*since)}))
            }
            Told::ReadingAgain { parts, bytes } => {
                ("reading_again", json!({"parts": parts, "bytes": bytes}))
            }
            Told::Waiting { what, holders: who } => ("waiting", holders::object(what, who)),
            Told::Found(finding) => ("found", json!({"finding": report::wire::finding(finding)})),
        };
        self.write(event, at, object);
    }

    fn sample(&mut self, sample: &Sample) {
        let (left, kind) = match sample.remaining {
            Some(Remaining::About(left)) => (Some(milliseconds(left)), Some("about")),
            Some(Remaining::AtLeast(left)) => (Some(milliseconds(left)), Some("at_least")),
            None => (None, None),
        };
        let running: Vec<Value> = sample
            .running
            .iter()
            .map(|step| json!({"kind": step.kind, "object": step.object}))
            .collect();
        let object = json!({
            "phase": report::phase(sample.phase),
            "rows_read": sample.counted.rows_read,
            "bytes_read": sample.counted.bytes_read,
            "bytes_read_back": sample.counted.bytes_read_back,
            "bytes_read_again": sample.counted.bytes_read_again,
            "disk_bytes": sample.to_copy,
            "disk_bytes_copied": sample.copied,
            "disk_bytes_read_back": sample.read_back,
            "tables": sample.tables,
            "tables_copied": sample.tables_copied,
            "tables_verified": sample.tables_verified,
            "indexes": sample.indexes,
            "indexes_built": sample.indexes_built,
            "running": running,
            "remaining_ms": left,
            "remaining": kind,
        });
        self.write("progress", sample.elapsed, object);
    }

    fn end(&mut self) {}
}
