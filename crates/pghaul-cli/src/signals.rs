//! Ctrl-C and SIGTERM: the first ends after the pieces in flight, the second at once.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pghaul::run::Stop;
use pghaul::{Error, ErrorKind};
use tokio::signal::unix::{SignalKind, signal};

/// Says something to the person who watches.
type Voice = Box<dyn Fn(&str) + Send + Sync>;

/// What asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: `kill`, a service manager.
    Terminate,
}

/// Watches for both signals as long as it lives.
pub struct Watch {
    /// What the signals ask for.
    pub stop: Stop,
    first: Arc<AtomicU8>,
    voice: Arc<RwLock<Option<Voice>>>,
    task: tokio::task::JoinHandle<()>,
}

const NONE: u8 = 0;
const INTERRUPT: u8 = 1;
const TERMINATE: u8 = 2;

/// SIGXFSZ (signal(7)): a file has reached the limit of `ulimit -f`. Unless somebody listens, the
/// system ends the process there; so the write fails and is reported like any other.
const FILE_TOO_LARGE: i32 = 25;

/// For a verb that leaves all other signals to the system: a file that may not grow is an error of
/// the write, and no end.
pub fn file_limits_are_errors() {
    // Listening is all: whoever writes gets the error. A system without this signal has none.
    let _ = signal(SignalKind::from_raw(FILE_TOO_LARGE));
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] when the system refuses.
    pub fn start() -> Result<Self, Error> {
        let watched = |kind| {
            signal(kind).map_err(|error| {
                Error::new(ErrorKind::LocalIo, "cannot watch for signals").caused_by(error)
            })
        };
        let mut interrupts = watched(SignalKind::interrupt())?;
        let mut terminations = watched(SignalKind::terminate())?;
        file_limits_are_errors();
        let stop = Stop::default();
        let first = Arc::new(AtomicU8::new(NONE));
        let voice = Arc::new(RwLock::new(None::<Voice>));
        let task = tokio::spawn({
            let (stop, first, voice) = (stop.clone(), Arc::clone(&first), Arc::clone(&voice));
            async move {
                loop {
                    let which = tokio::select! {
                        _ = interrupts.recv() => INTERRUPT,
                        _ = terminations.recv() => TERMINATE,
                    };
                    let is_first = first
                        .compare_exchange(NONE, which, Ordering::SeqCst, Ordering::SeqCst)
                        .is_ok();
                    let (text, asked) = if is_first {
                        (
                            "stopping when what is in flight is done; ask again to stop at once",
                            &stop.soon,
                        )
                    } else {
                        (
                            "stopping at once; what is in flight is lost, what is finished is kept",
                            &stop.now,
                        )
                    };
                    // Said first: when all has stopped, nothing is shown any more.
                    if let Some(voice) = &*voice.read().unwrap_or_else(PoisonError::into_inner) {
                        voice(text);
                    }
                    asked.cancel();
                }
            }
        });
        Ok(Self { stop, first, voice, task })
    }

    /// Where the answer to a signal is shown from now on.
    pub fn speak_through(&self, say: impl Fn(&str) + Send + Sync + 'static) {
        *self.voice.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(say));
    }

    /// The first signal that came, if one did.
    pub fn signal(&self) -> Option<Signal> {
        match self.first.load(Ordering::SeqCst) {
            INTERRUPT => Some(Signal::Interrupt),
            TERMINATE => Some(Signal::Terminate),
            _ => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
