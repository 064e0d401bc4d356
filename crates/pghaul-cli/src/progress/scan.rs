//! Progress of a scan for duplicates: blocks read of all, and the time that is left.
//!
//! Invariants: as for all progress: a thread of its own draws, and after the end nothing is drawn.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pghaul::event::{Counters, Event, Observer};
use serde_json::{Value, json};

use crate::console::{Console, Detail, Shown};
use crate::quantity::{counted, duration, grouped, milliseconds};
use crate::report::log;

/// Observes a scan.
pub struct ScanProgress {
    begun: Instant,
    counters: Arc<Counters>,
    state: Mutex<State>,
    notices: Sender<Notice>,
}

/// The thread that draws.
pub struct ScanDisplay {
    notices: Sender<Notice>,
    thread: Option<std::thread::JoinHandle<()>>,
}

enum Notice {
    Line(String),
    Object(Value),
    End,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Blocks to read.
    blocks: u64,
    /// What the counter said, and when, when reading began.
    from: (u64, Duration),
    index: Option<String>,
}

/// The state of things.
struct Sample {
    elapsed: Duration,
    blocks: u64,
    of_blocks: u64,
    rows: u64,
    index: Option<String>,
    remaining: Option<Duration>,
}

impl ScanProgress {
    /// Begins to show a scan.
    pub fn start(console: &Console, counters: Arc<Counters>) -> (Arc<Self>, ScanDisplay) {
        let (notices, receiver) = channel();
        let progress = Arc::new(Self {
            begun: Instant::now(),
            counters,
            state: Mutex::default(),
            notices: notices.clone(),
        });
        let observed = Arc::clone(&progress);
        let console = *console;
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || draw(&observed, &receiver, console));
        // Without a thread there is no progress to see; the work does not need it.
        (progress, ScanDisplay { notices, thread: thread.ok() })
    }

    fn sample(&self) -> Sample {
        // Every change is complete before the lock is let go.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let elapsed = self.begun.elapsed();
        let read = self.counters.blocks_read.load(Ordering::Relaxed);
        let blocks = read.saturating_sub(state.from.0).min(state.blocks);
        let took = elapsed.saturating_sub(state.from.1);
        Sample {
            elapsed,
            blocks,
            of_blocks: state.blocks,
            rows: self.counters.rows_read.load(Ordering::Relaxed),
            index: state.index,
            remaining: remaining(took, blocks, state.blocks),
        }
    }

    fn say(&self, line: Option<String>, object: Value) {
        // The thread is gone only after the end, when nothing is drawn any more.
        let _ = self.notices.send(Notice::Object(object));
        if let Some(line) = line {
            let _ = self.notices.send(Notice::Line(line));
        }
    }
}

/// The time that is left at the pace so far; none while nothing was read.
fn remaining(took: Duration, blocks: u64, of_blocks: u64) -> Option<Duration> {
    if blocks == 0 {
        return (of_blocks == 0).then_some(Duration::ZERO);
    }
    let left = of_blocks.saturating_sub(blocks) as f64 / blocks as f64;
    Duration::try_from_secs_f64(took.as_secs_f64() * left).ok()
}

impl Observer for ScanProgress {
    fn on_event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *event {
            Event::ScanPlanned { indexes, blocks, foreign_keys } => {
                let read = self.counters.blocks_read.load(Ordering::Relaxed);
                *state = State { blocks, from: (read, self.begun.elapsed()), index: None };
                drop(state);
                let line = format!(
                    "{} to scan, {} blocks",
                    counted(indexes, "unique index", "unique indexes"),
                    grouped(blocks)
                );
                self.say(
                    Some(line),
                    json!({"event": "scan_planned", "indexes": indexes, "blocks": blocks, "foreign_keys": foreign_keys}),
                );
            }
            Event::ScanStarted { index } => {
                state.index = Some(index.to_string());
                drop(state);
                self.say(
                    None,
                    json!({"event": "scan_started", "schema": index.schema, "index": index.name}),
                );
            }
            Event::Scanned { index, groups, rows } => {
                drop(state);
                let line = (groups > 0).then(|| {
                    format!("{index}: {} groups, {} rows", grouped(groups), grouped(rows))
                });
                self.say(
                    line,
                    json!({"event": "scanned", "schema": index.schema, "index": index.name, "groups": groups, "rows": rows}),
                );
            }
            Event::Retrying { what, after } => {
                drop(state);
                self.say(
                    Some(format!("{what}; in {}", duration(after))),
                    json!({"event": "retrying", "what": what, "after_ms": milliseconds(after)}),
                );
            }
            _ => {}
        }
    }
}

impl ScanDisplay {
    /// Draws the last state and ends.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.notices.send(Notice::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for ScanDisplay {
    fn drop(&mut self) {
        self.end();
    }
}

fn draw(progress: &ScanProgress, notices: &Receiver<Notice>, console: Console) {
    let bar = (console.progress == Shown::Bars).then(|| {
        let style = ProgressStyle::with_template("  {prefix:<10} {bar:28} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸·");
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix("scan")
    });
    let pace = match console.progress {
        Shown::Bars => Duration::from_millis(100),
        Shown::Lines => Duration::from_secs(10),
        Shown::Json => Duration::from_secs(1),
        Shown::Nothing => Duration::from_secs(3600),
    };
    let mut next = Instant::now() + pace;
    loop {
        match notices.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Notice::Line(text)) => match (&bar, console.progress) {
                (Some(bar), _) => {
                    let line = log::line(console.log, &text);
                    bar.println(console.for_stderr(line.trim_end()));
                }
                (None, Shown::Lines) => console.message(&log::line(console.log, &text)),
                _ => {}
            },
            Ok(Notice::Object(object)) if console.progress == Shown::Json => {
                object_line(console, object, progress.begun.elapsed());
            }
            Ok(Notice::Object(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = Instant::now();
        if now >= next {
            show(&progress.sample(), bar.as_ref(), console);
            next = now + pace;
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn show(sample: &Sample, bar: Option<&ProgressBar>, console: Console) {
    match (bar, console.progress) {
        (Some(bar), _) => {
            bar.set_length(sample.of_blocks.max(1));
            bar.set_position(sample.blocks);
            bar.set_message(text(sample, console.detail));
        }
        (None, Shown::Lines) => {
            console.message(&log::line(console.log, &text(sample, console.detail)));
        }
        (None, Shown::Json) => object_line(
            console,
            json!({
                "event": "progress",
                "blocks": sample.blocks,
                "of_blocks": sample.of_blocks,
                "rows": sample.rows,
                "index": sample.index,
                "remaining_ms": sample.remaining.map(milliseconds),
            }),
            sample.elapsed,
        ),
        _ => {}
    }
}

fn object_line(console: Console, mut object: Value, at: Duration) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("v".to_owned(), json!(1));
        fields.insert("elapsed_ms".to_owned(), json!(milliseconds(at)));
    }
    console.message(&format!("{object}\n"));
}

fn text(sample: &Sample, detail: Detail) -> String {
    let mut text = format!("{} of {} blocks", grouped(sample.blocks), grouped(sample.of_blocks));
    if detail >= Detail::Verbose {
        text.push_str(&format!(", {} rows", grouped(sample.rows)));
    }
    if let Some(index) = &sample.index {
        text.push_str(&format!(", {index}"));
    }
    match sample.remaining {
        Some(_) if sample.blocks >= sample.of_blocks => {
            text.push_str(", looking at what was found");
        }
        Some(left) => text.push_str(&format!(", about {} left", duration(left))),
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_at_the_pace_so_far() {
        let about = |blocks| remaining(Duration::from_secs(10), blocks, 100);
        assert_eq!(about(25), Some(Duration::from_secs(30)));
        assert_eq!(about(100), Some(Duration::ZERO));
        assert_eq!(about(0), None);
        assert_eq!(remaining(Duration::ZERO, 0, 0), Some(Duration::ZERO));
    }
}
