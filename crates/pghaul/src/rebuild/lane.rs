//! A lane rebuilds one index after the other, each until it stands or cannot be had.
//!
//! Invariants: an index is there, under its name and doing its duty, at every instant: what replaces
//! it stands before it goes, in one statement or transaction of the server; whatever ends an
//! attempt, what the attempt left behind is dropped before the next thing is done; a lock that
//! makes others wait is asked for only for a few seconds at a time.

mod parts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::amcheck::{Amcheck, Verdict};
use super::index::{Index, IndexOf, IndexRule, IndexState};
use super::leftovers::{self, Leftover};
use super::options::RebuildOptions;
use super::outcome::IndexEnd;
use super::plan::{self, Method, Task};
use super::rows_in_the_way::{Groups, SharedKeys};
use super::twin::{Twin, present};
use super::watch::{Watch, what_waits};
use super::{rows_in_the_way, trouble};
use crate::catalog::{joined, search_paths};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::finding::Finding;
use crate::run::Stop;
use crate::run::retry;

/// A lock that others would wait behind is asked for this long at a time: longer than
/// `deadlock_timeout`, or autovacuum would never give way.
const LOCK: &str = "5s";
/// The pause before such a lock is asked for again.
const PAUSE: Duration = Duration::from_secs(2);
/// Attempts at one index after errors that may pass.
pub(super) const ATTEMPTS: u32 = 4;
/// How long to try to drop what a failed attempt left behind.
const CLEANING: Duration = Duration::from_secs(60);

/// What all lanes share.
pub(super) struct Shared {
    pub(super) database: Endpoint,
    pub(super) options: RebuildOptions,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: Stop,
    pub(super) watch: Arc<Watch>,
    pub(super) amcheck: Amcheck,
    /// Takes the groups of rows that stop builds.
    pub(super) groups: Groups,
    pub(super) findings: Mutex<Vec<Finding>>,
}

impl Shared {
    pub(super) fn found(&self, finding: Finding) {
        self.observer.on_event(&Event::Found(&finding));
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }

    /// Whether no new work is to begin.
    pub(super) fn ends(&self) -> bool {
        self.stop.soon.is_cancelled() || self.stop.now.is_cancelled()
    }
}

/// A lane.
pub(super) struct Lane<'a> {
    shared: &'a Shared,
    number: usize,
    session: Option<Session>,
}

/// How an attempt ended, if not well.
enum Broken {
    /// The server said no, or the connection was lost.
    Failed(Error),
    /// The index is not there any more.
    Gone,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Lane<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize) -> Self {
        Self { shared, number, session: None }
    }

    /// Opens a session if there is none that lives.
    async fn open(&mut self) -> Result<&Session, Error> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            let name = format!("rebuild {}", self.number);
            let session = self.shared.database.connect(Purpose::Schema, &name).await?;
            // From 17 on the server sets one of its own for the time of a build.
            if !session.version().at_least(17) {
                session.search(joined(search_paths(&session).await?.values()).as_deref()).await?;
            }
            self.session = Some(session);
        }
        self.session
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a session was opened and is not there"))
    }

    /// Rebuilds one index, until it stands or cannot be had. What is wrong is a finding.
    pub(super) async fn rebuild(&mut self, task: &Task) -> Result<IndexEnd, Error> {
        let object = task.index.name.to_string();
        self.shared
            .observer
            .on_event(&Event::StepStarted { kind: task.method.name(), object: &object });
        let begun = Instant::now();
        let mut failures = 0;
        let end = loop {
            if self.shared.stop.now.is_cancelled() {
                break IndexEnd::NotDone;
            }
            let halt = self.shared.stop.now.child_token();
            let (shared, pid) = match self.open().await {
                Ok(session) => {
                    let pid = session.pid();
                    (self.shared, pid)
                }
                Err(error) => {
                    failures += 1;
                    if failures < ATTEMPTS && retry::is_worth_another_try(&error) {
                        self.pause(&error, failures).await;
                        continue;
                    }
                    return Err(error);
                }
            };
            let watching = shared.watch.begin(pid, &task.index.name, halt.clone());
            let attempt = self.attempt(task, &halt).await;
            if watching.goes_on() {
                let what = what_waits(&task.index.name);
                shared.observer.on_event(&Event::Waiting { what: &what, holders: &[] });
            }
            let broken = match attempt {
                Ok(()) => match self.look(task).await {
                    Ok(Some(end)) => break end,
                    Ok(None) => Broken::Gone,
                    Err(error) => Broken::Failed(error),
                },
                Err(broken) => broken,
            };
            let gave_up = watching.gave_up();
            let holders = watching.holders();
            self.clean_up(&task.index).await?;
            drop(watching);
            let error = match broken {
                Broken::Gone => {
                    shared.found(trouble::gone(&task.index));
                    break IndexEnd::Gone;
                }
                Broken::Failed(error) => error,
            };
            if self.shared.stop.now.is_cancelled() {
                break IndexEnd::NotDone;
            }
            let now = present(self.open().await?, &task.index.name).await?;
            match now {
                None => {
                    shared.found(trouble::gone(&task.index));
                    break IndexEnd::Gone;
                }
                // A COMMIT whose acknowledgement was lost.
                Some(now) if now.oid != task.index.oid && now.valid => {
                    if let Some(end) = self.look(task).await? {
                        break end;
                    }
                }
                Some(_) => {}
            }
            let locked = error.sqlstate() == Some("55P03");
            let waited_enough =
                shared.options.max_wait.is_some_and(|longest| begun.elapsed() >= longest);
            if gave_up || locked && waited_enough {
                shared.found(trouble::gave_up(&task.index, &holders, begun.elapsed()));
                break IndexEnd::Failed;
            }
            if locked {
                self.sleep(PAUSE).await;
                continue;
            }
            if trouble::is_of_rows(&error) {
                break self.refused(task, &error).await;
            }
            failures += 1;
            if failures < ATTEMPTS && retry::is_worth_another_try(&error) {
                self.pause(&error, failures).await;
                continue;
            }
            shared.found(trouble::failed(&task.index, &error));
            break IndexEnd::Failed;
        };
        if let IndexEnd::Rebuilt { .. } = end {
            let (kind, took) = (task.method.name(), begun.elapsed());
            self.shared.observer.on_event(&Event::StepCommitted { kind, object: &object, took });
        }
        Ok(end)
    }

    /// Which rows stopped the build.
    async fn refused(&self, task: &Task, error: &Error) -> IndexEnd {
        let (shared, index) = (self.shared, &task.index);
        if index.rule != IndexRule::Unique {
            let nothing = SharedKeys::default();
            shared.found(rows_in_the_way::finding(index, error, Ok(&nothing)));
            return IndexEnd::Refused(None);
        }
        let found = rows_in_the_way::find(
            &shared.database,
            index,
            (&shared.options, &shared.groups),
            &shared.stop.now,
        )
        .await;
        match found {
            Ok(None) => IndexEnd::NotDone,
            Ok(Some(keys)) => {
                shared.found(rows_in_the_way::finding(index, error, Ok(&keys)));
                IndexEnd::Refused(Some(keys))
            }
            Err(why) => {
                shared.found(rows_in_the_way::finding(index, error, Err(&why)));
                IndexEnd::Refused(None)
            }
        }
    }

    /// One attempt.
    async fn attempt(&mut self, task: &Task, halt: &CancellationToken) -> Result<(), Broken> {
        let index = &task.index;
        match &task.method {
            Method::Concurrently => {
                self.statement(
                    index,
                    halt,
                    &format!("reindex index concurrently {}", index.name.quoted()),
                )
                .await?;
            }
            Method::InPlace(_) => self.in_place(index, halt).await?,
            Method::Swap => self.swap(index, halt).await?,
            Method::Refresh => {
                self.brief_locks(LOCK).await?;
                let sql = format!("refresh materialized view {}", index.table.quoted());
                let done = self.statement(index, halt, &sql).await;
                self.brief_locks("0").await.ok();
                done?;
            }
            Method::Parts => self.complete(index, halt).await?,
        }
        Ok(())
    }

    async fn in_place(&mut self, index: &Index, halt: &CancellationToken) -> Result<(), Error> {
        self.brief_locks(LOCK).await?;
        let sql = format!("reindex index {}", index.name.quoted());
        let done = self.statement(index, halt, &sql).await;
        self.brief_locks("0").await.ok();
        done
    }

    /// A new index, and one short transaction in which it takes the old one's place.
    async fn swap(&mut self, index: &Index, halt: &CancellationToken) -> Result<(), Broken> {
        let session = self.open().await?;
        let Some(twin) = Twin::of(session, index).await? else { return Err(Broken::Gone) };
        session.batch("set where the new index will lie", &twin.place()).await?;
        let built = self.statement(index, halt, &twin.build()).await;
        let session = self.open().await?;
        session.batch("forget where the new index lies", "set default_tablespace = ''").await?;
        built?;
        if !twin.is_valid(session).await? {
            let name = &index.name;
            let what = format!("the new index for `{name}` was built and is not valid");
            return Err(Broken::Failed(Error::new(ErrorKind::Transfer, what)));
        }
        let begun = Instant::now();
        loop {
            match self.take_place(index, &twin, halt).await {
                Ok(true) => return Ok(()),
                // Somebody has come to hold on to the old index meanwhile.
                Ok(false) => {
                    self.in_place(index, halt).await?;
                    // The new one is not needed.
                    return Ok(self.clean_up(index).await?);
                }
                Err(error) if error.sqlstate() == Some("55P03") => {
                    let longest = self.shared.options.max_wait;
                    if halt.is_cancelled() || longest.is_some_and(|most| begun.elapsed() >= most) {
                        return Err(error.into());
                    }
                    self.sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// False if something holds on to the old index.
    async fn take_place(
        &mut self,
        index: &Index,
        twin: &Twin,
        halt: &CancellationToken,
    ) -> Result<bool, Error> {
        let doing = format!("put the new index in the place of `{}`", index.name);
        let session = self.open().await?;
        let begin = format!("begin; set local lock_timeout = '{LOCK}'");
        session.batch(&doing, &begin).await?;
        let done = async {
            // What could come to hold on to the index needs a lock that this keeps away.
            if index.of == IndexOf::Table {
                let lock =
                    format!("lock table only {} in access exclusive mode", index.table.quoted());
                raced(session, halt, session.batch(&doing, &lock)).await?;
            }
            if plan::bound(session, &[index.oid]).await?.contains_key(&index.oid) {
                return Ok(false);
            }
            for sql in twin.take_place() {
                raced(session, halt, session.batch(&doing, &sql)).await?;
            }
            Ok(true)
        }
        .await;
        match done {
            Ok(true) => session.batch(&doing, "commit").await.map(|()| true),
            other => {
                if !session.is_closed() {
                    session.batch("give the locks back", "rollback").await.ok();
                }
                other
            }
        }
    }

    /// What stands now, after an attempt that ended well. None: nothing does.
    pub(super) async fn look(&mut self, task: &Task) -> Result<Option<IndexEnd>, Error> {
        let shared = self.shared;
        let session = self.open().await?;
        let Some(now) = present(session, &task.index.name).await? else { return Ok(None) };
        if !now.valid {
            let why = match task.method {
                Method::Parts => Some(self.why_not_valid(&task.index).await?),
                _ => None,
            };
            shared.found(trouble::still_invalid(&task.index, why));
            return Ok(Some(IndexEnd::Failed));
        }
        let index = Index { oid: now.oid, state: IndexState::Valid, ..task.index.clone() };
        let check = shared.amcheck.index(session, &index, shared.options.thoroughness);
        let verdict = match raced(session, &shared.stop.now, check).await {
            Ok(verdict) => verdict,
            Err(_) if shared.stop.now.is_cancelled() => Verdict::NotChecked,
            Err(error) => return Err(error),
        };
        if let Verdict::Damaged(message) = &verdict {
            shared.found(trouble::still_damaged(&task.index, message));
        }
        Ok(Some(IndexEnd::Rebuilt { bytes: now.bytes, verdict }))
    }

    /// Drops what an attempt at an index left behind.
    async fn clean_up(&mut self, index: &Index) -> Result<(), Error> {
        let left = self.drop_leftovers(&[index.table_oid]).await?;
        for one in left {
            self.shared.found(trouble::left_behind(&one));
        }
        Ok(())
    }

    /// Drops what is left behind on these tables; gives what could not be dropped.
    pub(super) async fn drop_leftovers(&mut self, tables: &[u32]) -> Result<Vec<Leftover>, Error> {
        let begun = Instant::now();
        let mut failures = 0;
        loop {
            let left = match self.drop_once(tables).await {
                Ok(left) => left,
                Err(error) => {
                    failures += 1;
                    if failures < ATTEMPTS && retry::is_worth_another_try(&error) {
                        self.pause(&error, failures).await;
                        continue;
                    }
                    return Err(error);
                }
            };
            let patience = self.shared.options.max_wait.unwrap_or(CLEANING).min(CLEANING);
            if left.is_empty() || begun.elapsed() >= patience {
                return Ok(left);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn drop_once(&mut self, tables: &[u32]) -> Result<Vec<Leftover>, Error> {
        let session = self.open().await?;
        let found = leftovers::find(session, tables).await?;
        if found.is_empty() {
            return Ok(found);
        }
        let doing = "drop what an interrupted rebuild left behind";
        session.batch(doing, &format!("set lock_timeout = '{LOCK}'")).await?;
        for one in &found {
            match session.batch(doing, &one.drop_statement()).await {
                Ok(()) => {}
                Err(error) if matches!(error.sqlstate(), Some("55P03" | "42501")) => {}
                Err(error) => return Err(error),
            }
        }
        session.batch(doing, "set lock_timeout = 0").await?;
        leftovers::find(session, tables).await
    }

    async fn brief_locks(&mut self, timeout: &str) -> Result<(), Error> {
        let session = self.open().await?;
        let sql = format!("set lock_timeout = '{timeout}'");
        session.batch("set how long to wait for locks", &sql).await
    }

    /// A statement that takes long. Cancelled when `halt` is; then it ends soon.
    async fn statement(
        &mut self,
        index: &Index,
        halt: &CancellationToken,
        sql: &str,
    ) -> Result<(), Error> {
        let doing = format!("rebuild the index `{}`", index.name);
        let session = self.open().await?;
        raced(session, halt, session.batch(&doing, sql)).await
    }

    async fn pause(&self, error: &Error, failures: u32) {
        let after = retry::pause(failures, self.number as u64);
        let what = trouble::chain(error);
        self.shared.observer.on_event(&Event::Retrying { what: &what, after });
        self.sleep(after).await;
    }

    async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.shared.stop.now.cancelled() => {}
        }
    }
}

/// Waits for what a session does, and asks the server to cancel it when `halt` says so.
pub(super) async fn raced<T>(
    session: &Session,
    halt: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = halt.cancelled() => {}
    }
    loop {
        // It may come before the statement does, so it is said again.
        let _ = session.cancel().await;
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
