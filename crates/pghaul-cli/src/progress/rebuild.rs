//! Progress of a rebuild: indexes done of all, how far those at work are, who keeps them waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pghaul::event::{Event, Observer};
use pghaul::rebuild::Plan;
use pghaul::{Finding, Severity};
use serde_json::{Value, json};

use super::holders;
use super::single::{self, Display, Single, Teller};
use crate::console::{Console, Detail};
use crate::quantity::{bytes, counted, duration, grouped, milliseconds};
use crate::report;

/// Observes a rebuild.
pub struct RebuildProgress {
    detail: Detail,
    state: Mutex<State>,
    teller: Teller,
}

#[derive(Debug, Default)]
struct State {
    indexes: usize,
    done: usize,
    bytes: u64,
    /// At work, with what they do.
    at_work: BTreeMap<String, String>,
}

impl RebuildProgress {
    /// Begins to show a rebuild.
    pub fn start(console: &Console, plan: &Plan) -> (Arc<Self>, Display) {
        let (progress, display) = single::start(console, |teller| Self {
            detail: console.detail,
            state: Mutex::new(State {
                indexes: plan.tasks().count(),
                bytes: plan.tasks().map(|task| task.index.bytes).sum(),
                ..State::default()
            }),
            teller,
        });
        let state = progress.state();
        let planned = format!(
            "{} to rebuild, {}",
            counted(state.indexes, "index", "indexes"),
            bytes(state.bytes)
        );
        let object = json!({"event": "planned", "indexes": state.indexes, "bytes": state.bytes});
        drop(state);
        progress.tell(Some(planned), object);
        (progress, display)
    }

    /// Says a line to the person who watches, without disturbing what is drawn.
    pub fn voice(&self) -> impl Fn(&str) + Send + Sync + 'static {
        let teller = self.teller.clone();
        move |text| teller.tell(Some(text.to_owned()), json!({"event": "message", "message": text}))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is let go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, line: Option<String>, object: Value) {
        self.teller.tell(line, object);
    }
}

impl Single for RebuildProgress {
    const VERB: &'static str = "rebuild";

    fn position(&self) -> (u64, u64) {
        let state = self.state();
        (state.done as u64, state.indexes as u64)
    }

    fn object(&self) -> Option<Value> {
        None
    }

    fn text(&self) -> String {
        let state = self.state();
        let mut text = format!(
            "{} of {}",
            grouped(state.done as u64),
            counted(state.indexes, "index", "indexes")
        );
        for (index, doing) in &state.at_work {
            text.push_str(&format!("; {index}: {doing}"));
        }
        text
    }
}

impl Observer for RebuildProgress {
    fn on_event(&self, event: &Event<'_>) {
        let verbose = self.detail >= Detail::Verbose;
        match *event {
            Event::StepStarted { kind, object } => {
                self.state().at_work.insert(object.to_owned(), kind.to_owned());
                self.tell(
                    verbose.then(|| format!("{kind}: {object}")),
                    json!({"event": "index_started", "index": object, "method": kind}),
                );
            }
            Event::StepCommitted { kind, object, took } => {
                let mut state = self.state();
                state.at_work.remove(object);
                state.done += 1;
                drop(state);
                self.tell(
                    verbose.then(|| format!("rebuilt {object} in {}", duration(took))),
                    json!({"event": "index_rebuilt", "index": object, "method": kind, "duration_ms": milliseconds(took)}),
                );
            }
            Event::IndexProgress { index, phase, done, total } => {
                let share =
                    (total > 0).then(|| format!(" {:.0} %", done as f64 * 100.0 / total as f64));
                let doing = format!("{phase}{}", share.unwrap_or_default());
                self.state().at_work.insert(index.to_string(), doing);
                self.tell(
                    None,
                    json!({"event": "index_progress", "schema": index.schema, "index": index.name, "phase": phase, "done": done, "total": total}),
                );
            }
            Event::Waiting { what, holders: who } => {
                let mut object = holders::object(what, who);
                object["event"] = json!("waiting");
                self.tell(Some(holders::line(what, who)), object);
            }
            Event::Retrying { what, after } => self.tell(
                Some(format!("trying again in {}: {what}", duration(after))),
                json!({"event": "retrying", "what": what, "after_ms": milliseconds(after)}),
            ),
            Event::Found(finding) => self.found(finding, verbose),
            _ => {}
        }
    }
}

impl RebuildProgress {
    fn found(&self, finding: &Finding, verbose: bool) {
        let severity = report::severity(finding.severity);
        if let Some(object) = &finding.object {
            self.state().at_work.remove(object);
        }
        let heard =
            finding.severity >= Severity::Warning || verbose || finding.code == "old_snapshot";
        let line = heard.then(|| {
            let about = finding.object.as_ref().map(|object| format!("{object}: "));
            format!("{severity}: {}{}", about.unwrap_or_default(), finding.message)
        });
        self.tell(
            line,
            json!({"event": "found", "code": finding.code, "severity": severity, "object": finding.object, "message": finding.message}),
        );
    }
}
