//! Progress: events and counters in, one renderer out.
//!
//! Invariants: the engine's calls never wait for a terminal or a pipe, since a thread of its own
//! draws; what is shown is sampled, so a million pieces cost nothing; when the display is
//! finished nothing is drawn any more.

mod bars;
pub mod batches;
mod estimate;
mod holders;
mod json;
mod lines;
pub mod rebuild;
pub mod scan;
mod single;
mod tracker;

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pghaul::event::{Counters, Event, Observer};
use pghaul::run::{CloneOptions, PreparedClone};
use pghaul::verify::PreparedVerify;

use crate::console::{Console, Shown};
use crate::progress::tracker::{Counted, Expected, Sample, Told, Tracker};

pub use tracker::{Kept, SoFar};

/// Observes a run.
pub struct Progress {
    begun: Instant,
    tracker: Mutex<Tracker>,
    counters: Arc<Counters>,
    options: CloneOptions,
    voice: Voice,
}

/// What is being done: decides the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Task {
    /// A database is carried.
    #[default]
    Carry,
    /// Two databases are compared.
    Compare,
}

/// The thread that draws.
pub struct Display {
    voice: Voice,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// To the thread that draws.
#[derive(Clone)]
struct Voice(Sender<Notice>);

enum Notice {
    Told(Told),
    End,
}

/// One way to show progress. Called by one thread.
trait Renderer {
    /// How often it wants a sample.
    fn pace(&self) -> Duration;
    /// A fact, as soon as it is known.
    fn told(&mut self, told: &Told, at: Duration);
    /// The state of things.
    fn sample(&mut self, sample: &Sample);
    /// Nothing comes after this.
    fn end(&mut self);
}

impl Progress {
    /// Begins to show a run.
    pub fn start(
        console: &Console,
        counters: Arc<Counters>,
        options: &CloneOptions,
    ) -> (Arc<Self>, Display) {
        Self::start_task(console, counters, options, Task::Carry)
    }

    /// Begins to show a comparison.
    pub fn start_comparison(console: &Console, counters: Arc<Counters>) -> (Arc<Self>, Display) {
        Self::start_task(console, counters, &CloneOptions::default(), Task::Compare)
    }

    fn start_task(
        console: &Console,
        counters: Arc<Counters>,
        options: &CloneOptions,
        task: Task,
    ) -> (Arc<Self>, Display) {
        let (sender, receiver) = channel();
        let voice = Voice(sender);
        let progress = Arc::new(Self {
            begun: Instant::now(),
            tracker: Mutex::new(Tracker::default()),
            counters,
            options: options.clone(),
            voice: voice.clone(),
        });
        let console = *console;
        let observed = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || draw(&observed, &receiver, renderer(console, task)));
        // Without a thread there is no progress to see; the work does not need it.
        (progress, Display { voice, thread: thread.ok() })
    }

    /// Tells what is to be expected.
    pub fn expect(&self, prepared: &PreparedClone) {
        self.tracker().expect(Expected::of(prepared, &self.options));
    }

    /// Tells what is to be compared.
    pub fn expect_comparison(&self, prepared: &PreparedVerify) {
        self.tracker().expect(Expected::of_comparison(prepared));
    }

    /// Says a line to the person who watches, without disturbing what is drawn.
    pub fn voice(&self) -> impl Fn(&str) + Send + Sync + 'static {
        let voice = self.voice.clone();
        move |text| voice.say(text)
    }

    /// What is kept and was found; none before anything was written.
    pub fn so_far(&self) -> Option<SoFar> {
        self.tracker().so_far()
    }

    /// What is in the target for good; none before anything was written.
    pub fn kept(&self) -> Option<Kept> {
        self.tracker().kept()
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        // Every change of the tracker is complete before the lock is let go.
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sample(&self) -> Sample {
        let counted = Counted {
            rows_read: self.counters.rows_read.load(Ordering::Relaxed),
            bytes_read: self.counters.bytes_read.load(Ordering::Relaxed),
            bytes_read_back: self.counters.bytes_read_back.load(Ordering::Relaxed),
            bytes_read_again: self.counters.bytes_read_again.load(Ordering::Relaxed),
        };
        self.tracker().sample(self.begun.elapsed(), counted)
    }
}

impl Observer for Progress {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Tables(tables) = event {
            self.tracker().expect(Expected::of_tables(tables));
        }
        if let Some(told) = Told::of(event) {
            self.tracker().take(&told, self.begun.elapsed());
            // The thread is gone only after the end, when nothing is drawn any more.
            let _ = self.voice.0.send(Notice::Told(told));
        }
    }
}

impl Voice {
    fn say(&self, text: &str) {
        let _ = self.0.send(Notice::Told(Told::Message(text.to_owned())));
    }
}

impl Display {
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

impl Drop for Display {
    fn drop(&mut self) {
        self.end();
    }
}

fn renderer(console: Console, task: Task) -> Box<dyn Renderer> {
    match console.progress {
        Shown::Bars => Box::new(bars::Bars::new(console, task)),
        Shown::Lines => Box::new(lines::Lines::new(console, task)),
        Shown::Json => Box::new(json::Json::new(console)),
        Shown::Nothing => Box::new(()),
    }
}

fn draw(progress: &Progress, notices: &Receiver<Notice>, mut renderer: Box<dyn Renderer>) {
    let pace = renderer.pace();
    let mut next = Instant::now() + pace;
    loop {
        match notices.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Notice::Told(told)) => renderer.told(&told, progress.begun.elapsed()),
            Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => {
                renderer.end();
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if now >= next {
            renderer.sample(&progress.sample());
            next = now + pace;
        }
    }
}

/// Shows nothing.
impl Renderer for () {
    fn pace(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn told(&mut self, _: &Told, _: Duration) {}

    fn sample(&mut self, _: &Sample) {}

    fn end(&mut self) {}
}
