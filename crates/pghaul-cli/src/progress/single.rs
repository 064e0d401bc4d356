//! Progress of verbs that have one number to show: a bar, or a line now and then, and facts as they
//! come.
//!
//! Invariants: as for all progress: a thread of its own draws, and after the end nothing is drawn.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::console::{Console, Shown};
use crate::quantity::milliseconds;
use crate::report::log;

/// What is shown. Asked by the thread that draws.
pub(super) trait Single: Send + Sync + 'static {
    /// Stands beside the bar.
    const VERB: &'static str;
    /// How much is done, and of how much.
    fn position(&self) -> (u64, u64);
    /// The state of things, for people.
    fn text(&self) -> String;
    /// The state of things for scripts, once a second; none if they are told facts only.
    fn object(&self) -> Option<Value>;
}

/// Tells facts without disturbing what is drawn.
#[derive(Clone)]
pub(super) struct Teller(Sender<Notice>);

/// The thread that draws.
pub struct Display {
    teller: Teller,
    thread: Option<std::thread::JoinHandle<()>>,
}

enum Notice {
    Told { line: Option<String>, object: Value },
    End,
}

impl Teller {
    /// A fact: as a line for people, if it is worth one, and as an object for scripts.
    pub(super) fn tell(&self, line: Option<String>, object: Value) {
        // The thread is gone only after the end, when nothing is drawn any more.
        let _ = self.0.send(Notice::Told { line, object });
    }
}

/// Begins to show what `make` makes.
pub(super) fn start<S: Single>(
    console: &Console,
    make: impl FnOnce(Teller) -> S,
) -> (Arc<S>, Display) {
    let (sender, receiver) = channel();
    let teller = Teller(sender);
    let shown = Arc::new(make(teller.clone()));
    let drawing = Drawing {
        begun: Instant::now(),
        console: *console,
        shown: Arc::clone(&shown),
        bar: (console.progress == Shown::Bars).then(|| bar(S::VERB)),
    };
    let thread = std::thread::Builder::new()
        .name("progress".to_owned())
        .spawn(move || drawing.draw(&receiver));
    // Without a thread there is no progress to see; the work does not need it.
    (shown, Display { teller, thread: thread.ok() })
}

impl Display {
    /// Draws the last state and ends.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.teller.0.send(Notice::End);
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

fn bar(verb: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix:<10} {bar:28} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸·");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_style(style)
        .with_prefix(verb)
}

struct Drawing<S> {
    begun: Instant,
    console: Console,
    shown: Arc<S>,
    bar: Option<ProgressBar>,
}

impl<S: Single> Drawing<S> {
    fn draw(self, notices: &Receiver<Notice>) {
        let pace = match self.console.progress {
            Shown::Bars => Duration::from_millis(100),
            Shown::Lines => Duration::from_secs(10),
            Shown::Json => Duration::from_secs(1),
            Shown::Nothing => Duration::from_secs(3600),
        };
        let mut next = Instant::now() + pace;
        loop {
            match notices.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Notice::Told { object, .. }) if self.console.progress == Shown::Json => {
                    self.object(object);
                }
                Ok(Notice::Told { line, .. }) => {
                    if let Some(line) = line {
                        self.line(&line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now >= next {
                self.sample();
                next = now + pace;
            }
        }
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn sample(&self) {
        match (&self.bar, self.console.progress) {
            (Some(bar), _) => {
                let (done, all) = self.shown.position();
                bar.set_length(all.max(1));
                bar.set_position(done);
                bar.set_message(self.shown.text());
            }
            (None, Shown::Lines) => self.line(&self.shown.text()),
            (None, Shown::Json) => {
                if let Some(object) = self.shown.object() {
                    self.object(object);
                }
            }
            (None, _) => {}
        }
    }

    fn line(&self, text: &str) {
        let line = log::line(self.console.log, text);
        match (&self.bar, self.console.progress) {
            (Some(bar), _) => bar.println(self.console.for_stderr(line.trim_end())),
            (None, Shown::Lines) => self.console.message(&line),
            (None, _) => {}
        }
    }

    fn object(&self, mut object: Value) {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("v".to_owned(), json!(1));
            fields.insert("elapsed_ms".to_owned(), json!(milliseconds(self.begun.elapsed())));
        }
        self.console.message(&format!("{object}\n"));
    }
}
