//! Progress of work in batches: what is told at once, and a line every ten seconds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pghaul::event::{Event, Observer};
use serde_json::json;

use crate::console::{Console, Shown};
use crate::quantity::grouped;
use crate::report;

/// Between two lines.
const PACE: Duration = Duration::from_secs(10);

/// Tells of batches.
pub struct Batches {
    console: Console,
    told: Mutex<Told>,
}

struct Told {
    batches: u64,
    last: Instant,
}

impl Batches {
    /// Begins.
    pub fn new(console: Console) -> Self {
        Self { console, told: Mutex::new(Told { batches: 0, last: Instant::now() }) }
    }
}

impl Observer for Batches {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::Found(finding) => {
                let severity = report::severity(finding.severity);
                if self.console.progress != Shown::Nothing && self.console.progress != Shown::Json {
                    self.console.message(&format!("{severity}: {}\n", finding.message));
                }
            }
            Event::StepCommitted { object, .. } => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                told.batches += 1;
                if told.last.elapsed() < PACE {
                    return;
                }
                told.last = Instant::now();
                let batches = told.batches;
                match self.console.progress {
                    Shown::Nothing => {}
                    Shown::Json => {
                        let line =
                            json!({"v": 1, "event": "batches", "batches": batches, "at": object});
                        self.console.message(&format!("{line}\n"));
                    }
                    Shown::Bars | Shown::Lines => {
                        let batches = grouped(batches);
                        self.console.message(&format!("{batches} batches done; {object}\n"));
                    }
                }
            }
            _ => {}
        }
    }
}
