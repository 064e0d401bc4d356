//! Plain lines: one every 10 seconds, and one for what happens.

use std::time::Duration;

use pghaul::Severity;
use pghaul::event::Phase;

use super::estimate::Remaining;
use super::tracker::{Sample, Told};
use super::{Renderer, Task, holders};
use crate::console::{Console, Detail};
use crate::quantity::{bytes, counted, duration, grouped};
use crate::report::{self, log};

/// Writes lines.
pub(super) struct Lines {
    console: Console,
    task: Task,
}

impl Lines {
    pub(super) fn new(console: Console, task: Task) -> Self {
        Self { console, task }
    }
}

impl Renderer for Lines {
    fn pace(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn told(&mut self, told: &Told, _: Duration) {
        if let Some(line) = line(told, self.console, self.task) {
            self.console.message(&log::line(self.console.log, &line));
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let text = summary(sample, self.task);
        self.console.message(&log::line(self.console.log, &text));
    }

    fn end(&mut self) {}
}

/// A fact in a line, if it is worth one.
pub(super) fn line(told: &Told, console: Console, task: Task) -> Option<String> {
    let verbose = console.detail >= Detail::Verbose;
    match told {
        Told::Message(text) => Some(text.clone()),
        Told::Planned { tables, parts, bytes: size } => Some(format!(
            "{} on disk in {}, {}",
            bytes(*size),
            counted(*tables, "table", "tables"),
            counted(*parts, "part", "parts")
        )),
        Told::PhaseStarted(phase) => Some(phase_text(*phase, task).to_owned()),
        Told::PhaseFinished(phase, took) => {
            verbose.then(|| format!("{}: {}", report::phase(*phase), duration(*took)))
        }
        Told::PieceCommitted { .. } | Told::StepStarted { .. } => None,
        Told::TableCopied { table, rows } => {
            let done = if task == Task::Carry { "copied" } else { "read" };
            verbose.then(|| format!("{done} {table}: {} rows", grouped(*rows)))
        }
        Told::TableVerified { table, equal } => {
            let done = if task == Task::Carry { "read back" } else { "compared" };
            if *equal {
                verbose.then(|| format!("{done} {table}: equal"))
            } else {
                Some(format!("{done} {table}: DIFFERS"))
            }
        }
        Told::StepCommitted { kind, object, took } => verbose
            .then(|| format!("created {} {object} in {}", kind.to_lowercase(), duration(*took))),
        Told::Retrying { what, after } => {
            Some(format!("trying again in {}: {what}", duration(*after)))
        }
        Told::NoAnswer { side, since } => Some(format!(
            "the {side} has not answered for {}, though its network does; waiting (Ctrl-C twice ends at once)",
            duration(*since)
        )),
        Told::ReadingAgain { parts, bytes: size } => Some(format!(
            "reading again on the source what was copied before, to compare: {} in {}",
            bytes(*size),
            counted(*parts, "part", "parts")
        )),
        Told::Waiting { what, holders: who } => Some(holders::line(what, who)),
        Told::Found(finding) if finding.severity >= Severity::Warning || verbose => {
            let about = finding.object.as_ref().map(|object| format!("{object}: "));
            Some(format!(
                "{}: {}{}",
                report::severity(finding.severity),
                about.unwrap_or_default(),
                finding.message
            ))
        }
        Told::Found(_) => None,
    }
}

pub(super) fn phase_text(phase: Phase, task: Task) -> &'static str {
    match (phase, task) {
        (Phase::Prepare, _) => "looking at both databases",
        (Phase::PreData, Task::Carry) => "creating types, functions and tables",
        (Phase::Data, Task::Carry) => "copying rows, building indexes, reading back",
        (Phase::PostData, Task::Carry) => "adding keys, views, triggers, privileges",
        (Phase::PreData, Task::Compare) => "comparing schemas, sequences and large objects",
        (Phase::Data, Task::Compare) => "comparing rows",
        (Phase::PostData, Task::Compare) => "naming the rows that differ",
    }
}

pub(super) fn remaining(remaining: Remaining) -> String {
    let (how, left) = match remaining {
        Remaining::About(left) => ("about", left),
        Remaining::AtLeast(left) => ("at least", left),
    };
    if left < Duration::from_secs(10) {
        format!("{how} a few seconds left")
    } else {
        format!("{how} {} left", duration(left))
    }
}

/// How far the proof is that the source has not changed.
pub(super) fn read_again(sample: &Sample) -> Option<String> {
    let done = sample.counted.bytes_read_again.min(sample.to_read_again);
    (sample.phase < Phase::Data && sample.to_read_again > 0)
        .then(|| format!("{} of {} read again", bytes(done), bytes(sample.to_read_again)))
}

fn summary(sample: &Sample, task: Task) -> String {
    let phase = phase_text(sample.phase, task);
    let mut parts = vec![format!("{}: {phase}", duration(sample.elapsed))];
    parts.extend(read_again(sample));
    let (first, second) = match task {
        Task::Carry => ("copied", "read back"),
        Task::Compare => ("read on the source", "compared"),
    };
    if sample.phase >= Phase::Data && sample.to_copy > 0 {
        parts.push(format!(
            "{} of {} ({} %)",
            bytes(sample.copied),
            bytes(sample.to_copy),
            percent(sample.copied, sample.to_copy)
        ));
        if let Some(rate) = sample.rate {
            parts.push(format!("{}/s", rate_text(rate)));
        }
        parts.push(of("table", sample.tables_copied, sample.tables, first));
        if sample.to_read_back > 0 {
            parts.push(format!(
                "{} {second} ({} %)",
                grouped(sample.tables_verified as u64),
                percent(sample.read_back, sample.to_read_back)
            ));
        }
    }
    if sample.phase >= Phase::Data && sample.indexes > 0 {
        parts.push(of("index", sample.indexes_built, sample.indexes, "built"));
    }
    parts.extend(
        sample
            .running
            .iter()
            .max_by_key(|step| sample.elapsed.saturating_sub(step.since))
            .map(|step| step.object.clone()),
    );
    parts.extend(sample.remaining.map(remaining));
    parts.join(", ")
}

fn of(what: &str, done: usize, all: usize, how: &str) -> String {
    let many = if what == "index" { "indexes" } else { "tables" };
    format!("{} of {} {how}", grouped(done as u64), counted(all, what, many))
}

pub(super) fn rate_text(rate: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive, and a float's cast saturates"
    )]
    bytes(rate as u64)
}

fn percent(done: u64, all: u64) -> u64 {
    if all == 0 {
        100
    } else {
        u64::try_from(u128::from(done) * 100 / u128::from(all)).unwrap_or(100)
    }
}
