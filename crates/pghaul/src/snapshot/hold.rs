//! The snapshot while a run works: watched, and handed on when the session that holds it dies.
//!
//! Invariants: while a keeper lives, an heir beside it has the same snapshot and the same locks,
//! so a table cannot be rewritten between the death of one and the promotion of the other; when
//! both are gone the snapshot is gone, and nobody is given its name any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{Heir, Keeper, SnapshotId, open_reader};
use crate::connect::{Endpoint, Session};
use crate::error::{Error, ErrorKind};

/// How long a session of ours on the source may take for a question that costs nothing, before it
/// is taken for dead.
const ANSWER: Duration = Duration::from_secs(10);

/// How often the keeper is asked something that costs nothing.
const ASK: Duration = Duration::from_secs(10);

/// The pause before another heir is tried, after one could not be had.
const HEIR_AGAIN: Duration = Duration::from_secs(2);

/// A snapshot that is kept alive until this is released or dropped.
pub struct Hold {
    source: Arc<Endpoint>,
    id: watch::Receiver<Option<SnapshotId>>,
    doubt: Arc<Notify>,
    exports: Arc<AtomicU64>,
    crash: Arc<AtomicBool>,
    asked: watch::Receiver<Option<Instant>>,
    watcher: JoinHandle<()>,
}

impl Hold {
    /// Keeps a keeper's snapshot alive from now on.
    pub fn new(source: Arc<Endpoint>, keeper: Keeper) -> Self {
        let (tell, id) = watch::channel(Some(keeper.id().clone()));
        let doubt = Arc::new(Notify::new());
        let exports = Arc::new(AtomicU64::new(0));
        let crash = Arc::new(AtomicBool::new(false));
        let (ask, asked) = watch::channel(None);
        let watching = Watching {
            source: Arc::clone(&source),
            tell,
            doubt: Arc::clone(&doubt),
            exports: Arc::clone(&exports),
            crash: Arc::clone(&crash),
            ask,
        };
        let watcher = tokio::spawn(watching.run(keeper));
        Self { source, id, doubt, exports, crash, asked, watcher }
    }

    /// The name to import now; none when the snapshot is gone.
    pub fn id(&self) -> Option<SnapshotId> {
        self.id.borrow().clone()
    }

    /// Waits until the snapshot has another name or is gone.
    pub async fn changed(&self, from: Option<&SnapshotId>) {
        let mut names = self.id.clone();
        // An error: the watcher has ended, and the snapshot with it.
        let _ = names.wait_for(|id| id.as_ref() != from).await;
    }

    /// How often the snapshot was exported again.
    pub(crate) fn exports(&self) -> u64 {
        self.exports.load(Ordering::Acquire)
    }

    /// Whether the source said to a session that held the snapshot that another one had crashed
    /// (SQLSTATE 57P02).
    pub(crate) fn told_of_crash(&self) -> bool {
        self.crash.load(Ordering::Acquire)
    }

    /// For how long the source has owed the keeper an answer, if it does.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        self.asked.borrow().map(|asked| asked.elapsed())
    }

    /// Opens a session inside the snapshot. A name that the source does not know any more is
    /// waited out until an heir has given the snapshot another.
    ///
    /// # Errors
    /// [`ErrorKind::SnapshotGone`] when nobody has the snapshot any more.
    pub async fn open_reader(&self, what: &str) -> Result<Session, Error> {
        let mut names = self.id.clone();
        loop {
            let Some(id) = names.borrow_and_update().clone() else {
                return Err(Error::new(
                    ErrorKind::SnapshotGone,
                    "source: the sessions that held the run's snapshot have ended",
                ));
            };
            match open_reader(&self.source, &id, what).await {
                Err(error) if error.kind() == ErrorKind::SnapshotGone => {
                    self.doubt.notify_one();
                    let another = async {
                        while names.borrow_and_update().as_ref() == Some(&id) {
                            if names.changed().await.is_err() {
                                break;
                            }
                        }
                    };
                    let waited = tokio::time::timeout(ANSWER * 3, another).await;
                    if waited.is_err() || self.id().as_ref() == Some(&id) {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    /// Fails if at some time nobody has held snapshot and locks: a name that can be imported is that of
    /// a transaction which has had both since the one before it ended.
    ///
    /// # Errors
    /// [`ErrorKind::SnapshotGone`] then.
    pub(crate) async fn ensure_unbroken(&self, what: &str) -> Result<(), Error> {
        self.open_reader(what).await.map(drop)
    }

    /// Lets go of snapshot and locks, so that the source can vacuum again.
    pub fn release(&self) {
        // The transaction only read: whether a ROLLBACK arrives or the connections just end is the
        // same.
        self.watcher.abort();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

struct Watching {
    source: Arc<Endpoint>,
    tell: watch::Sender<Option<SnapshotId>>,
    doubt: Arc<Notify>,
    exports: Arc<AtomicU64>,
    crash: Arc<AtomicBool>,
    ask: watch::Sender<Option<Instant>>,
}

impl Watching {
    async fn run(self, mut keeper: Keeper) {
        let mut heir = Heir::of(&self.source, &keeper).await.ok();
        loop {
            let heir_is_gone = async {
                match &heir {
                    Some(heir) => heir.session().closed().await,
                    None => tokio::time::sleep(HEIR_AGAIN).await,
                }
            };
            let keeper_is_gone = tokio::select! {
                () = keeper.session().closed() => true,
                () = self.doubt.notified() => !answers(keeper.session()).await,
                () = heir_is_gone => false,
                // A transaction that was cancelled (a conflict on a standby) has no snapshot either.
                () = self.keep_asking(keeper.session()) => true,
            };
            self.ask.send_replace(None);
            let told = heir.as_ref().map(Heir::session).is_some_and(told_of_crash);
            if told_of_crash(keeper.session()) || told {
                self.crash.store(true, Ordering::Release);
            }
            if keeper_is_gone {
                let promoted = async { heir.take()?.promote().await.ok() };
                let promoted = tokio::time::timeout(ANSWER, promoted).await;
                let Ok(Some(next)) = promoted else {
                    self.tell.send_replace(None);
                    return;
                };
                self.exports.fetch_add(1, Ordering::Release);
                keeper = next;
                self.tell.send_replace(Some(keeper.id().clone()));
            }
            if heir.as_ref().is_none_or(|heir| heir.session().is_closed()) {
                heir = Heir::of(&self.source, &keeper).await.ok();
            }
        }
    }

    /// Notes since when an answer is owed. Ends when the session or its transaction does.
    async fn keep_asking(&self, session: &Session) {
        loop {
            tokio::time::sleep(ASK).await;
            self.ask.send_replace(Some(Instant::now()));
            if session.batch("see whether the source answers", "select 1").await.is_err() {
                return;
            }
            self.ask.send_replace(None);
        }
    }
}

fn told_of_crash(session: &Session) -> bool {
    session.last_words().is_some_and(|words| words.contains("57P02"))
        || session.take_warnings().iter().any(|warning| warning.sqlstate == "57P02")
}

async fn answers(session: &Session) -> bool {
    let asked = session.batch("see whether the keeper lives", "select 1");
    matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(())))
}
