//! A session that looks at the others: who keeps them waiting, how far they are.
//!
//! Invariants: a build that waits is never silent for long; a build that has waited
//! for longer than it may is cancelled, and who was waited for is kept; the session that looks also
//! holds the claim of the rebuild, and neither reads nor locks anything of the user's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::catalog::size;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::holder::{Holder, Told, waited_for};
use crate::name::RelationName;
use crate::run::claim::ClaimKey;

/// How often to look.
const EVERY: Duration = Duration::from_millis(500);
/// How long a process that was killed just now may keep its claim.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which of our sessions are at work.
#[derive(Default)]
pub(super) struct Watch {
    at_work: Mutex<BTreeMap<i32, Watched>>,
}

struct Watched {
    index: RelationName,
    halt: CancellationToken,
    /// Since when it has been waiting, without a break.
    since: Option<Instant>,
    told: Told,
    /// The last who were waited for.
    last: Vec<Holder>,
    gave_up: bool,
}

/// As long as this lives, a session is watched.
pub(super) struct Watching<'a> {
    watch: &'a Watch,
    pid: i32,
}

impl Watch {
    /// Watches a session that works on an index, and cancels `halt` when it has waited too long.
    pub(super) fn begin(
        &self,
        pid: i32,
        index: &RelationName,
        halt: CancellationToken,
    ) -> Watching<'_> {
        let watched = Watched {
            index: index.clone(),
            halt,
            since: None,
            told: Told::default(),
            last: Vec::new(),
            gave_up: false,
        };
        self.at_work().insert(pid, watched);
        Watching { watch: self, pid }
    }

    fn at_work(&self) -> MutexGuard<'_, BTreeMap<i32, Watched>> {
        // Every change is complete before the lock is let go.
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching<'_> {
    /// Takes back that it was told to wait; true if it was.
    pub(super) fn goes_on(&self) -> bool {
        self.watch.at_work().get_mut(&self.pid).is_some_and(|one| one.told.is_news(&[]))
    }

    /// Whether it was cancelled since it had waited too long.
    pub(super) fn gave_up(&self) -> bool {
        self.watch.at_work().get(&self.pid).is_some_and(|one| one.gave_up)
    }

    /// For whom it waited last.
    pub(super) fn holders(&self) -> Vec<Holder> {
        self.watch.at_work().get(&self.pid).map(|one| one.last.clone()).unwrap_or_default()
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.watch.at_work().remove(&self.pid);
    }
}

/// What events say that waits.
pub(super) fn what_waits(index: &RelationName) -> String {
    format!("the rebuild of {index}")
}

/// Opens the session that watches and takes the claim.
///
/// # Errors
/// [`ErrorKind::RunState`] when another process rebuilds indexes of this database.
pub(super) async fn open(database: &Endpoint) -> Result<Session, Error> {
    let session = database.connect(Purpose::Schema, "rebuild").await?;
    if ClaimKey::of_rebuild().take_within(&session, PATIENCE).await? {
        return Ok(session);
    }
    Err(Error::new(
        ErrorKind::RunState,
        "database: another pghaul rebuilds indexes of this database already",
    )
    .with_hint(
        "wait for it to end, or stop it; pg_stat_activity shows its sessions as `pghaul rebuild`",
    ))
}

/// Who looks, and what at.
pub(super) struct Watcher {
    pub(super) database: Endpoint,
    pub(super) watch: Arc<Watch>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) max_wait: Option<Duration>,
    /// No new index is begun when the claim is lost.
    pub(super) lost: CancellationToken,
}

impl Watcher {
    /// Looks until it is told to end; gives the session back if it still lives.
    pub(super) async fn look(self, session: Session, end: CancellationToken) -> Option<Session> {
        let mut session = Some(session);
        while !end.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = end.cancelled() => break,
            }
            let Some(open) = session.as_ref().filter(|open| !open.is_closed()) else {
                // The claim went with the session. It is free, unless somebody was faster.
                match open(&self.database).await {
                    Ok(again) => session = Some(again),
                    Err(error) if error.kind() == ErrorKind::RunState => {
                        self.lost.cancel();
                        return None;
                    }
                    Err(_) => session = None,
                }
                continue;
            };
            // What is seen here only informs: a failure means to look again.
            let _ = self.holders(open).await;
            let _ = self.progress(open).await;
        }
        session
    }

    fn pids(&self) -> Vec<i32> {
        self.watch.at_work().keys().copied().collect()
    }

    async fn holders(&self, session: &Session) -> Result<(), Error> {
        let pids = self.pids();
        if pids.is_empty() {
            return Ok(());
        }
        let mut found: BTreeMap<i32, Vec<Holder>> = BTreeMap::new();
        for (pid, holder) in waited_for(session, &pids).await? {
            found.entry(pid).or_default().push(holder);
        }
        for pid in pids {
            let holders = found.remove(&pid).unwrap_or_default();
            if let Some((index, holders)) = self.learn(pid, holders) {
                let what = what_waits(&index);
                self.observer.on_event(&Event::Waiting { what: &what, holders: &holders });
            }
        }
        Ok(())
    }

    /// Takes in who a session waits for; gives what there is to tell.
    fn learn(&self, pid: i32, holders: Vec<Holder>) -> Option<(RelationName, Vec<Holder>)> {
        let mut at_work = self.watch.at_work();
        let watched = at_work.get_mut(&pid)?;
        if holders.is_empty() {
            watched.since = None;
            return watched.told.is_news(&holders).then(|| (watched.index.clone(), holders));
        }
        let since = *watched.since.get_or_insert_with(Instant::now);
        if self.max_wait.is_some_and(|longest| since.elapsed() >= longest) {
            watched.gave_up = true;
            watched.halt.cancel();
        }
        watched.last.clone_from(&holders);
        watched.told.is_news(&holders).then(|| (watched.index.clone(), holders))
    }

    async fn progress(&self, session: &Session) -> Result<(), Error> {
        let pids = self.pids();
        if pids.is_empty() || !session.version().at_least(12) {
            return Ok(());
        }
        let doing = "look how far builds are";
        for row in session.query(doing, include_str!("progress_12.sql"), &[&pids]).await? {
            let index = self.watch.at_work().get(&row.get(0)).map(|one| one.index.clone());
            if let Some(index) = index {
                self.observer.on_event(&Event::IndexProgress {
                    index: &index,
                    phase: row.get(1),
                    done: size(row.get(2)),
                    total: size(row.get(3)),
                });
            }
        }
        Ok(())
    }
}
