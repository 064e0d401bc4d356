//! The phases of a run, and how long each of them took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Event, Observer, Phase};

/// What a run is at, told as it changes, and how long each phase took.
pub(crate) struct Phases {
    observer: Arc<dyn Observer>,
    open: Option<(Phase, Instant)>,
    over: Vec<(Phase, Duration)>,
}

impl Phases {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, open: None, over: Vec::new() }
    }

    /// Ends the phase before.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.close();
        self.observer.on_event(&Event::PhaseStarted(phase));
        self.open = Some((phase, Instant::now()));
    }

    fn close(&mut self) {
        if let Some((phase, begun)) = self.open.take() {
            let took = begun.elapsed();
            self.observer.on_event(&Event::PhaseFinished(phase, took));
            // What begins anew after a failure has its phases more than once.
            match self.over.iter_mut().find(|(known, _)| *known == phase) {
                Some((_, all)) => *all += took,
                None => self.over.push((phase, took)),
            }
        }
    }

    /// Ends the last one, and gives them all.
    pub(crate) fn end(mut self) -> Vec<(Phase, Duration)> {
        self.close();
        self.over
    }
}
