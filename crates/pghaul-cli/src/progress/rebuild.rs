//! Progress of a rebuild: indexes done of all, how far those at work are, who keeps them waiting.
//!
//! Invariants: as for all progress: a thread of its own draws, and after the end nothing is drawn.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pghaul::event::{Event, Observer};
use pghaul::rebuild::Plan;
use pghaul::{Finding, Severity};
use serde_json::{Value, json};

use super::{Notice, Voice, holders};
use crate::console::{Console, Detail, Shown};
use crate::progress::tracker::Told;
use crate::quantity::{bytes, counted, duration, grouped, milliseconds};
use crate::report::{self, log};

/// Observes a rebuild.
pub struct RebuildProgress {
    begun: Instant,
    console: Console,
    state: Mutex<State>,
    voice: Voice,
}

/// The thread that draws.
pub struct RebuildDisplay {
    voice: Voice,
    thread: Option<std::thread::JoinHandle<()>>,
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
    pub fn start(console: &Console, plan: &Plan) -> (Arc<Self>, RebuildDisplay) {
        let (sender, receiver) = channel();
        let voice = Voice(sender);
        let progress = Arc::new(Self {
            begun: Instant::now(),
            console: *console,
            state: Mutex::new(State {
                indexes: plan.tasks().count(),
                bytes: plan.tasks().map(|task| task.index.bytes).sum(),
                ..State::default()
            }),
            voice: voice.clone(),
        });
        let observed = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || draw(&observed, &receiver));
        let display = RebuildDisplay { voice, thread: thread.ok() };
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

    /// To say something.
    pub fn voice(&self) -> Voice {
        self.voice.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is let go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fact: as a line for people, as an object for scripts.
    fn tell(&self, line: Option<String>, mut object: Value) {
        if self.console.progress == Shown::Json {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("v".to_owned(), json!(1));
                let at = milliseconds(self.begun.elapsed());
                fields.insert("elapsed_ms".to_owned(), json!(at));
            }
            self.voice.say(&object.to_string());
        } else if let Some(line) = line {
            self.voice.say(&line);
        }
    }

    fn summary(&self) -> String {
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
        let verbose = self.console.detail >= Detail::Verbose;
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

impl RebuildDisplay {
    /// Draws the last state and ends.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.voice.0.send(Notice::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for RebuildDisplay {
    fn drop(&mut self) {
        self.end();
    }
}

fn draw(progress: &RebuildProgress, notices: &Receiver<Notice>) {
    let console = progress.console;
    let bar = (console.progress == Shown::Bars).then(|| {
        let style = ProgressStyle::with_template("  {prefix:<10} {bar:28} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸·");
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix("rebuild")
    });
    let pace = match console.progress {
        Shown::Bars => Duration::from_millis(200),
        Shown::Lines => Duration::from_secs(10),
        Shown::Json | Shown::Nothing => Duration::from_secs(3600),
    };
    let mut next = Instant::now() + pace;
    loop {
        match notices.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Notice::Told(Told::Message(text))) => match (&bar, console.progress) {
                (Some(bar), _) => bar.println(console.for_stderr(&text)),
                (None, Shown::Lines) => console.message(&log::line(console.log, &text)),
                (None, Shown::Json) if text.starts_with('{') => {
                    console.message(&format!("{text}\n"));
                }
                (None, Shown::Json) => {
                    console.message(&format!(
                        "{}\n",
                        json!({"v": 1, "event": "message", "message": text})
                    ));
                }
                (None, _) => {}
            },
            Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Notice::Told(_)) | Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if now >= next {
            show(progress, bar.as_ref());
            next = now + pace;
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn show(progress: &RebuildProgress, bar: Option<&ProgressBar>) {
    match (bar, progress.console.progress) {
        (Some(bar), _) => {
            let state = progress.state();
            bar.set_length(state.indexes.max(1) as u64);
            bar.set_position(state.done as u64);
            drop(state);
            bar.set_message(progress.summary());
        }
        (None, Shown::Lines) => {
            let text = progress.summary();
            progress.console.message(&log::line(progress.console.log, &text));
        }
        (None, _) => {}
    }
}
