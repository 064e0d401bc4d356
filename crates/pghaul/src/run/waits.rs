//! Waiting for a lock that somebody else holds: said aloud, by name, while it lasts.
//!
//! What waits on the target waits without an end: an open transaction on a table of ours may be
//! somebody's work. The session that controls the run looks who it is; where that is busy itself, or on
//! the source, a session of its own does.
//!
//! Invariant: what is seen here only informs; not to be able to look is no failure.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::connect::{Endpoint, Purpose, Session};
use crate::event::{Event, Observer};
use crate::holder::{Holder, Told, waited_for};

/// How long something may take before it is asked whether it waits, and may wait before it is said.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often to look.
const EVERY: Duration = Duration::from_secs(1);

/// What the lanes are at on the target, by the lane's name.
#[derive(Default)]
pub(super) struct AtWork(Mutex<BTreeMap<String, Lane>>);

#[derive(Default)]
struct Lane {
    /// Its sessions on the target.
    pids: Vec<i32>,
    now: Option<Doing>,
}

struct Doing {
    what: String,
    begun: Instant,
    /// Since when it has been seen waiting, without a break.
    since: Option<Instant>,
    told: Told,
}

impl AtWork {
    /// A lane has a session on the target.
    pub(super) fn has(&self, lane: &str, session: &Session) {
        let mut lanes = self.lanes();
        let pids = &mut lanes.entry(lane.to_owned()).or_default().pids;
        if !pids.contains(&session.pid()) {
            pids.push(session.pid());
        }
    }

    /// A lane has no session any more.
    pub(super) fn has_none(&self, lane: &str) {
        self.lanes().entry(lane.to_owned()).or_default().pids.clear();
    }

    /// A lane begins something.
    pub(super) fn begin(&self, lane: &str, what: String) {
        let doing = Doing { what, begun: Instant::now(), since: None, told: Told::default() };
        self.lanes().entry(lane.to_owned()).or_default().now = Some(doing);
    }

    /// A lane has ended what it had begun.
    pub(super) fn end(&self, lane: &str, observer: &dyn Observer) {
        let now = self.lanes().get_mut(lane).and_then(|lane| lane.now.take());
        if let Some(mut doing) = now
            && doing.told.is_news(&[])
        {
            observer.on_event(&Event::Waiting { what: &doing.what, holders: &[] });
        }
    }

    /// Looks once who keeps a lane waiting that has been at something for a while.
    pub(super) async fn look(&self, control: &Session, observer: &dyn Observer) {
        let slow: Vec<i32> = {
            let lanes = self.lanes();
            let slow = lanes.values().filter(|lane| {
                lane.now.as_ref().is_some_and(|doing| doing.begun.elapsed() >= PATIENCE)
            });
            slow.flat_map(|lane| lane.pids.iter().copied()).collect()
        };
        if slow.is_empty() {
            return;
        }
        let Ok(found) = waited_for(control, &slow).await else { return };
        let mut news: Vec<(String, Vec<Holder>)> = Vec::new();
        let mut lanes = self.lanes();
        let ours: Vec<i32> = lanes.values().flat_map(|lane| lane.pids.iter().copied()).collect();
        for lane in lanes.values_mut() {
            let Lane { pids, now: Some(doing) } = lane else { continue };
            // For whom another lane waits is said of that.
            let others = |holder: &Holder| holder.pid.is_none_or(|pid| !ours.contains(&pid));
            let holders = found.iter().filter(|(pid, holder)| pids.contains(pid) && others(holder));
            let holders: Vec<Holder> = holders.map(|(_, holder)| holder.clone()).collect();
            if doing.is_news(&holders) {
                news.push((doing.what.clone(), holders));
            }
        }
        drop(lanes);
        for (what, holders) in news {
            observer.on_event(&Event::Waiting { what: &what, holders: &holders });
        }
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<String, Lane>> {
        // Every change is complete before the lock is let go.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doing {
    fn is_news(&mut self, holders: &[Holder]) -> bool {
        if holders.is_empty() {
            self.since = None;
            return self.told.is_news(holders);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        since.elapsed() >= PATIENCE && self.told.is_news(holders)
    }
}

/// Does `work`, in which the session of process `pid` may wait for a lock, and tells who has that;
/// gives who it was last, nobody if it did not wait for long.
pub(super) async fn aloud<T, E>(
    observer: &dyn Observer,
    (endpoint, pid): (&Endpoint, i32),
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> (Result<T, E>, Vec<Holder>) {
    let (mut work, mut last) = (pin!(work), Vec::new());
    let mut told = Told::default();
    let ended = tokio::select! {
        biased;
        ended = work.as_mut() => ended,
        never = look(observer, (endpoint, pid), what, (&mut told, &mut last)) => match never {},
    };
    if ended.is_ok() && told.is_news(&[]) {
        observer.on_event(&Event::Waiting { what, holders: &[] });
    }
    (ended, last)
}

async fn look(
    observer: &dyn Observer,
    (endpoint, pid): (&Endpoint, i32),
    what: &str,
    (told, last): (&mut Told, &mut Vec<Holder>),
) -> Infallible {
    tokio::time::sleep(PATIENCE).await;
    let mut session: Option<Session> = None;
    loop {
        if session.as_ref().is_none_or(Session::is_closed) {
            session = endpoint.connect(Purpose::Catalog, "look").await.ok();
        }
        if let Some(session) = &session
            && let Ok(found) = waited_for(session, &[pid]).await
        {
            let holders: Vec<Holder> = found.into_iter().map(|(_, holder)| holder).collect();
            if told.is_news(&holders) {
                observer.on_event(&Event::Waiting { what, holders: &holders });
            }
            if !holders.is_empty() {
                *last = holders;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
