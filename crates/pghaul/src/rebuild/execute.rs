//! Carries a plan out.
//!
//! Invariants: tables in parallel, the indexes of one table one after the other; materialized views
//! after all tables, since they are computed through the tables' indexes; versions of collations are
//! recorded last.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::holder;
use super::lane::{ATTEMPTS, Lane, Shared};
use super::options::Locking;
use super::outcome::{IndexEnd, IndexOutcome, Rebuilt};
use super::plan::{Method, Task, Unit, WhyInPlace};
use super::prepare::PreparedRebuild;
use super::rows_in_the_way::Groups;
use super::watch::{self, Watch, Watcher};
use super::{trouble, versions};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::run::{Stop, retry};

/// What came of the tasks so far.
type Outcomes = Vec<IndexOutcome>;

impl PreparedRebuild {
    /// Rebuilds. Every index is there and does its duty all the time, whatever happens; what cannot
    /// be rebuilt stays as it was, and is a finding.
    ///
    /// # Errors
    /// [`ErrorKind::RunState`] when another pghaul rebuilds indexes of this database.
    /// [`ErrorKind::Connect`] and [`ErrorKind::Transfer`] when the server is lost for good. What the
    /// sink of [`telling`](Self::telling) says, when it begins or ends.
    pub async fn run(self, observer: Arc<dyn Observer>, stop: Stop) -> Result<Rebuilt, Error> {
        let Self { database, options, plan, amcheck, findings, mut groups } = self;
        let control = watch::open(&database).await?;
        groups.begin()?;
        let shared = Arc::new(Shared {
            database: database.clone(),
            options,
            observer: Arc::clone(&observer),
            stop,
            watch: Arc::new(Watch::default()),
            amcheck,
            groups: Groups::new(groups),
            findings: Mutex::default(),
        });
        for finding in findings {
            shared.found(finding);
        }
        name_old_snapshots(&shared, &control).await?;
        let end = CancellationToken::new();
        let lost = CancellationToken::new();
        let watcher = Watcher {
            database,
            watch: Arc::clone(&shared.watch),
            observer,
            max_wait: shared.options.max_wait,
            lost: lost.clone(),
        };
        let watching = tokio::spawn(watcher.look(control, end.clone()));
        let stop_when_lost = tokio::spawn({
            let (lost, soon) = (lost.clone(), shared.stop.soon.clone());
            async move {
                lost.cancelled().await;
                soon.cancel();
            }
        });
        let worked = work(&shared, plan).await;
        end.cancel();
        stop_when_lost.abort();
        let control = watching.await.ok().flatten();
        let mut rebuilt = worked?;
        if lost.is_cancelled() {
            return Err(Error::new(
                ErrorKind::RunState,
                "database: the connection was lost, and another pghaul took over the rebuild",
            ));
        }
        rebuilt.stopped = shared.ends();
        if !rebuilt.stopped {
            record_versions(&shared, control, &mut rebuilt).await?;
        }
        shared.groups.lock().await.end()?;
        rebuilt.findings =
            std::mem::take(&mut *shared.findings.lock().unwrap_or_else(PoisonError::into_inner));
        rebuilt.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(rebuilt)
    }
}

/// The last thing that is done, and worth a second attempt: all indexes stand.
async fn record_versions(
    shared: &Shared,
    mut control: Option<Session>,
    rebuilt: &mut Rebuilt,
) -> Result<(), Error> {
    let mut failures = 0;
    loop {
        let recorded = async {
            let session = match control.take().filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => watch::open(&shared.database).await?,
            };
            versions::record(&shared.options, &session, rebuilt).await
        }
        .await;
        match recorded {
            Ok(findings) => {
                findings.into_iter().for_each(|finding| shared.found(finding));
                return Ok(());
            }
            Err(error) => {
                failures += 1;
                if failures >= ATTEMPTS || !retry::is_worth_another_try(&error) {
                    return Err(error);
                }
                tokio::time::sleep(retry::pause(failures, 0)).await;
            }
        }
    }
}

/// Before anything waits for them.
async fn name_old_snapshots(shared: &Shared, control: &Session) -> Result<(), Error> {
    if shared.options.locking == Locking::Concurrent {
        match holder::snapshots(control).await {
            Ok(holders) => {
                for holder in holders {
                    shared.found(trouble::old_snapshot(&holder));
                }
            }
            // It only informs, and the watcher opens a session that is lost again.
            Err(error) if retry::is_worth_another_try(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn work(shared: &Arc<Shared>, plan: super::plan::Plan) -> Result<Rebuilt, Error> {
    let mut rebuilt = Rebuilt::default();
    if !plan.leftovers.is_empty() && !shared.ends() {
        let tables: BTreeSet<u32> = plan.leftovers.iter().map(|one| one.table_oid).collect();
        let tables: Vec<u32> = tables.into_iter().collect();
        let left = Lane::new(shared, 0).drop_leftovers(&tables).await?;
        for one in &left {
            shared.found(trouble::left_behind(one));
        }
        let gone = plan.leftovers.iter().filter(|one| !left.contains(one));
        rebuilt.dropped = gone.map(|one| one.name.clone()).collect();
    }
    rebuilt.indexes = tables(shared, plan.tables).await?;
    let mut lane = Lane::new(shared, 0);
    for task in plan.parents {
        let outcome = one(shared, &mut lane, task).await?;
        rebuilt.indexes.push(outcome);
    }
    let mut broken: BTreeSet<u32> = rebuilt
        .indexes
        .iter()
        .filter(|one| matches!(one.end, IndexEnd::Refused(_) | IndexEnd::Failed))
        .map(|one| one.index.table_oid)
        .collect();
    for view in plan.views {
        let name = view.name.clone();
        let refreshing = view.tasks.iter().any(|task| task.method == Method::Refresh);
        let view = if refreshing && !view.reads.is_disjoint(&broken) {
            shared.found(trouble::view_not_refreshed(&name));
            without_refresh(view)
        } else {
            view
        };
        let oid = view.oid;
        let outcomes = unit(shared, &mut lane, view).await?;
        let done = outcomes.iter().all(|one| matches!(one.end, IndexEnd::Rebuilt { .. }));
        if done && outcomes.iter().any(|one| one.method == Method::Refresh) {
            rebuilt.refreshed.push(name);
        } else if !done {
            broken.insert(oid);
        }
        rebuilt.indexes.extend(outcomes);
    }
    Ok(rebuilt)
}

/// The indexes of a view alone. Nobody writes to it, so nobody waits for `REINDEX INDEX` but who
/// would refresh it.
fn without_refresh(mut view: Unit) -> Unit {
    for task in &mut view.tasks {
        task.method = Method::InPlace(WhyInPlace::NotRefreshed);
    }
    view
}

/// All tables, so many at once.
async fn tables(shared: &Arc<Shared>, units: Vec<Unit>) -> Result<Outcomes, Error> {
    let lanes = shared.options.jobs.get().min(units.len());
    let queue = Arc::new(Mutex::new(VecDeque::from(units)));
    let mut set: JoinSet<Result<Outcomes, Error>> = JoinSet::new();
    for number in 1..=lanes {
        let (shared, queue) = (Arc::clone(shared), Arc::clone(&queue));
        set.spawn(async move {
            let mut lane = Lane::new(&shared, number);
            let mut outcomes = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(next) = next else { return Ok(outcomes) };
                outcomes.extend(unit(&shared, &mut lane, next).await?);
            }
        });
    }
    let mut outcomes = Vec::new();
    let mut failed = None;
    while let Some(ended) = set.join_next().await {
        match ended {
            Ok(Ok(more)) => outcomes.extend(more),
            Ok(Err(error)) => {
                // The others end what they have begun.
                shared.stop.soon.cancel();
                failed.get_or_insert(error);
            }
            Err(panic) => {
                shared.stop.soon.cancel();
                failed.get_or_insert(
                    Error::new(ErrorKind::Bug, "a lane of the rebuild panicked").caused_by(panic),
                );
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(outcomes),
    }
}

/// One table or view, index by index.
async fn unit(shared: &Shared, lane: &mut Lane<'_>, unit: Unit) -> Result<Outcomes, Error> {
    let mut outcomes: Outcomes = Vec::new();
    for task in unit.tasks {
        let refreshed = outcomes.iter().find(|done| done.method == Method::Refresh);
        let outcome = match refreshed.filter(|_| task.method == Method::Refresh) {
            // One refresh builds all indexes of a view.
            Some(first) => {
                let end = match first.end {
                    IndexEnd::Rebuilt { .. } => lane.look(&task).await?.unwrap_or(IndexEnd::Gone),
                    ref end => end.clone(),
                };
                outcome(task, end, first.took)
            }
            None => one(shared, lane, task).await?,
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

async fn one(shared: &Shared, lane: &mut Lane<'_>, task: Task) -> Result<IndexOutcome, Error> {
    let begun = Instant::now();
    let end = if shared.ends() { IndexEnd::NotDone } else { lane.rebuild(&task).await? };
    Ok(outcome(task, end, begun.elapsed()))
}

fn outcome(task: Task, end: IndexEnd, took: Duration) -> IndexOutcome {
    let Task { index, reasons, method } = task;
    IndexOutcome { index, reasons, method, end, took }
}
