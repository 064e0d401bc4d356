//! Progress of a scan for duplicates: blocks read of all, and the time that is left.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pghaul::event::{Counters, Event, Observer};
use serde_json::{Value, json};

use super::single::{self, Display, Single, Teller};
use crate::console::{Console, Detail};
use crate::quantity::{counted, duration, grouped, milliseconds};

/// Observes a scan.
pub struct ScanProgress {
    begun: Instant,
    detail: Detail,
    counters: Arc<Counters>,
    state: Mutex<State>,
    teller: Teller,
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
    blocks: u64,
    of_blocks: u64,
    rows: u64,
    index: Option<String>,
    remaining: Option<Duration>,
}

impl ScanProgress {
    /// Begins to show a scan.
    pub fn start(console: &Console, counters: Arc<Counters>) -> (Arc<Self>, Display) {
        single::start(console, |teller| Self {
            begun: Instant::now(),
            detail: console.detail,
            counters,
            state: Mutex::default(),
            teller,
        })
    }

    fn sample(&self) -> Sample {
        // Every change is complete before the lock is let go.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let elapsed = self.begun.elapsed();
        let read = self.counters.blocks_read.load(Ordering::Relaxed);
        let blocks = read.saturating_sub(state.from.0).min(state.blocks);
        let took = elapsed.saturating_sub(state.from.1);
        Sample {
            blocks,
            of_blocks: state.blocks,
            rows: self.counters.rows_read.load(Ordering::Relaxed),
            index: state.index,
            remaining: remaining(took, blocks, state.blocks),
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
                self.teller.tell(
                    Some(line),
                    json!({"event": "scan_planned", "indexes": indexes, "blocks": blocks, "foreign_keys": foreign_keys}),
                );
            }
            Event::ScanStarted { index } => {
                state.index = Some(index.to_string());
                drop(state);
                self.teller.tell(
                    None,
                    json!({"event": "scan_started", "schema": index.schema, "index": index.name}),
                );
            }
            Event::Scanned { index, groups, rows } => {
                drop(state);
                let line = (groups > 0).then(|| {
                    format!("{index}: {} groups, {} rows", grouped(groups), grouped(rows))
                });
                self.teller.tell(
                    line,
                    json!({"event": "scanned", "schema": index.schema, "index": index.name, "groups": groups, "rows": rows}),
                );
            }
            Event::Retrying { what, after } => {
                drop(state);
                self.teller.tell(
                    Some(format!("{what}; in {}", duration(after))),
                    json!({"event": "retrying", "what": what, "after_ms": milliseconds(after)}),
                );
            }
            _ => {}
        }
    }
}

impl Single for ScanProgress {
    const VERB: &'static str = "scan";

    fn position(&self) -> (u64, u64) {
        let sample = self.sample();
        (sample.blocks, sample.of_blocks)
    }

    fn text(&self) -> String {
        text(&self.sample(), self.detail)
    }

    fn object(&self) -> Option<Value> {
        let sample = self.sample();
        Some(json!({
            "event": "progress",
            "blocks": sample.blocks,
            "of_blocks": sample.of_blocks,
            "rows": sample.rows,
            "index": sample.index,
            "remaining_ms": sample.remaining.map(milliseconds),
        }))
    }
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
