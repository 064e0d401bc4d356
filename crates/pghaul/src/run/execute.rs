//! Runs what was prepared: state, pre-data, lanes, the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pghaul_rows::reader::Digesting;
use tokio::task::JoinSet;

use super::answer;
use super::board::{Board, LaneKind};
use super::graph;
use super::lane::{self, Alone, Beginning};
use super::ledger::Ledger;
use super::options::Start;
use super::outcome::{Ending, Outcome};
use super::prepare::{Consistency, PreparedClone};
use super::readers::Readers;
use super::refresh::{self, Seen};
use super::restart_tables;
use super::result::{deferred, outcome, unverified};
use super::retry::{self, Budget};
use super::reverify;
use super::steps;
use super::stored::{ALL_READ_BACK, StoredRun};
use super::undisturbed::Undisturbed;
use super::waits::{self, AtWork};
use super::work::{Facts, Run, Stop, Work};
use super::writers;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Phase, Phases};
use crate::finding::{Finding, Severity};
use crate::name::{RelationName, literal};
use crate::plan::PartId;
use crate::schema::step::Stage;
use crate::snapshot::hold::Hold;
use crate::state::{self, RunRecord, StepReceipt};
use crate::transfer::Transfer;
use crate::transfer::pace::Pace;

/// Why a run ended before its end.
pub(super) enum Broken {
    /// Going on would not help.
    ForGood(Error),
    /// The snapshot or the control session is gone: the run can be prepared anew and go on.
    Again {
        error: Error,
        /// Parts whose reading session died without a word.
        suspects: Vec<PartId>,
        /// Whether anything was committed.
        progress: bool,
        /// Whether what had to begin again has begun again.
        gone_on: bool,
    },
}

impl PreparedClone {
    /// The run's name.
    pub(super) fn id(&self) -> String {
        self.stored.as_ref().map_or_else(new_run_id, |stored| stored.record.id.clone())
    }

    /// Runs until it ends or breaks.
    pub(super) async fn run_to_the_end(
        self,
        id: &str,
        (counters, stop): (Arc<Counters>, Stop),
        ledger: Arc<Ledger>,
        (budget, given_up, alone): (Arc<Budget>, BTreeSet<PartId>, Arc<Alone>),
    ) -> Result<Outcome, Broken> {
        if let Some(finished) = self.finished {
            return Ok(finished);
        }
        let observer = ledger.observer();
        let mut phases = Phases::new(Arc::clone(&observer));
        phases.begin(Phase::PreData);
        let record = self.record(id).map_err(Broken::ForGood)?;
        let joins = self.options.start == Start::Join;
        let Self { origin, target, options, control, keeper, plan, schema, .. } = self;
        let mut done = self.stored.as_ref().map(|stored| stored.steps.clone()).unwrap_or_default();
        let tasks = graph::build(
            &plan,
            &schema.steps,
            self.large_objects.len(),
            (&options, control.version()),
            &schema.counted,
        );
        let is_new = self.stored.is_none();
        let known_before = self.findings.get(..self.known_before).unwrap_or_default().to_vec();
        let counted = self.writes.of(&plan);
        // An archive stays what it is, so there is nothing to prove, but tables may begin again.
        let restarts = matches!(options.start, Start::ResumeRestarting(_));
        let stored = self.stored.map(|stored| (stored.receipts, stored.alone, stored.emptied));
        let (receipts, others_out, emptied) = stored.unwrap_or_default();
        let goes_on = !is_new && !joins && (keeper.is_some() || restarts || emptied.is_some());
        let run = Arc::new(Run {
            id: id.to_owned(),
            source_takes_no_ids: keeper
                .as_ref()
                .is_none_or(|keeper| keeper.session().version().at_least(10)),
            hold: origin
                .server()
                .zip(keeper)
                .map(|(source, keeper)| Hold::new(Arc::clone(source), keeper)),
            origin,
            target,
            transfer: Transfer {
                pace: Pace::new(options.max_rate),
                counters,
                stop: stop.soon.clone(),
                // Whatever is verified: without digests nobody could tell, once the snapshot is gone,
                // whether the source is what it was.
                digesting: Digesting::Sha256,
                worker: format!("{id} pid {} {}", std::process::id(), new_run_id()),
            },
            options,
            plan,
            steps: schema.steps,
            large_objects: self.large_objects,
            board: Board::new(tasks),
            observer,
            ledger,
            stop,
            known_before: known_before.len(),
            facts: Mutex::new(Facts { findings: self.findings, receipts, ..Facts::default() }),
            tries: AtomicU64::new(0),
            budget,
            undisturbed: Undisturbed::default(),
            given_up,
            alone,
            readers: Readers::default(),
            at_work: AtWork::default(),
        });
        let stopped =
            |phases: Phases| outcome(&run, self.consistency, Ending::Stopped, phases.end());
        if is_new {
            // Not to be stopped softly: from here on there is something to resume.
            let plan = (&run.plan, &counted);
            let creating = state::create(&control, &record, plan, &known_before);
            let Some(created) = answer::unless_stopped(&run.stop, creating).await else {
                return Ok(stopped(phases));
            };
            created.map_err(|error| broken(error, None))?;
        }
        let begun = async {
            if !joins {
                state::set_options(&control, &record.options).await?;
                let (worker, stop) = (&run.transfer.worker, &run.stop.soon);
                steps::pre_data(&control, (&run.steps, &done), worker, stop).await?;
            }
            Ok(())
        };
        let controls = (run.target.as_ref(), control.pid());
        let what = "creating types, functions and tables";
        let begun = waits::aloud(run.observer.as_ref(), controls, what, begun);
        // Dropped in the middle, what was sent is committed with its receipt or not at all.
        let begun = tokio::select! {
            (begun, _) = begun => begun,
            () = run.stop.now.cancelled() => return Ok(stopped(phases)),
        };
        begun.map_err(|error| broken(error, None))?;
        run.observer.on_event(&Event::Planned {
            tables: run.plan.tables.len(),
            parts: run.plan.parts.len(),
            bytes: run.plan.bytes(),
            steps: run.board.tasks().count() - run.plan.parts.len(),
        });
        if goes_on {
            // Nothing is copied meanwhile, so nothing is lost by stopping at once.
            let proven = tokio::select! {
                proven = go_on(&run, (&control, emptied), &mut done, self.consistency, (&record, &counted)) => proven,
                () = run.stop.soon.cancelled() => Ok(()),
                () = run.stop.now.cancelled() => return Ok(stopped(phases)),
            };
            if let Err(error) = proven {
                // That the new snapshot is gone too says nothing about the source.
                let lost = run.facts().lost.take().map(begin_anew);
                return Err(lost.unwrap_or_else(|| broken(error, None)));
            }
        }
        if run.stop.soon.is_cancelled() {
            let ending = answer::unless_stopped(&run.stop, end(&run, &control, true)).await;
            ending.transpose().map_err(|error| broken(error, None))?;
            return Ok(stopped(phases));
        }
        let carried = async {
            StoredRun::let_others_in(others_out, &control).await?;
            if joins || goes_on {
                // Our keeper has exported the snapshot once more.
                count_own_export(&run, &control, self.consistency).await?;
            }
            skip_what_is_done(&run, &done);
            carry_out(&run, &control, &done, &mut phases).await
        };
        let Some(carried) = answer::unless_stopped(&run.stop, carried).await else {
            return Ok(stopped(phases));
        };
        let all_read = carried.map_err(|error| broken(error, Some(&run)))?;
        let early = run.stop.soon.is_cancelled() && run.board.unfinished() > 0;
        let lost = run.facts().lost.take();
        if let Some(error) = lost {
            return Err(again(error, &run));
        }
        if let Some(failure) = first_failure(&run) {
            return Err(Broken::ForGood(failure));
        }
        let ended = async {
            if !early && !joins {
                writers::find(&run, &self.writes, all_read).await?;
            }
            // Whoever did them, in whatever process.
            let done = state::load_steps(&control).await?;
            for step in run.steps.iter().filter(|step| done.contains_key(&step.step.key)) {
                run.count(step);
            }
            end(&run, &control, early).await
        };
        let Some(ending) = answer::unless_stopped(&run.stop, ended).await else {
            return Ok(stopped(phases));
        };
        let ending = ending.map_err(|error| broken(error, Some(&run)))?;
        Ok(outcome(&run, self.consistency, ending, phases.end()))
    }

    /// What the target will know, or knows already, of this run.
    pub(super) fn record(&self, id: &str) -> Result<RunRecord, Error> {
        let shape = serde_json::to_string(&self.options.shape()).map_err(|error| {
            Error::new(ErrorKind::Bug, "cannot write the options as JSON").caused_by(error)
        })?;
        let snapshot = self.keeper.as_ref().map(|keeper| keeper.id().as_str().to_owned());
        let snapshot = snapshot.or_else(|| self.origin.archive_name());
        Ok(RunRecord {
            id: id.to_owned(),
            source: self.identities.0.clone(),
            target: self.identities.1.clone(),
            options: shape,
            snapshot: snapshot.unwrap_or_default(),
            moment: self.moment.to_json()?,
            consistency: self.consistency.name().to_owned(),
            schema_digest: self.schema.to_text(),
            large_objects: self.large_objects_text.clone(),
            phase: "pre-data".to_owned(),
            finished: false,
        })
    }
}

/// An error of a request outside of any lane.
fn broken(error: Error, run: Option<&Run>) -> Broken {
    match run {
        _ if !retry::is_worth_another_try(&error) => Broken::ForGood(error),
        Some(run) => again(error, run),
        None => begin_anew(error),
    }
}

/// The same preparation once more: nothing has come of this one.
fn begin_anew(error: Error) -> Broken {
    Broken::Again { error, suspects: Vec::new(), progress: false, gone_on: false }
}

fn again(error: Error, run: &Run) -> Broken {
    // A host that loses its power takes leave of nobody; only a server that is still there can tell
    // the other sessions that one of them crashed it.
    let told = run.hold.as_ref().is_some_and(Hold::told_of_crash);
    let facts = run.facts();
    Broken::Again {
        error,
        suspects: facts.suspects.iter().copied().filter(|_| told).collect(),
        progress: facts.progress,
        gone_on: true,
    }
}

/// The lanes, from the first row to the last step. Gives when the source was read for the last time.
async fn carry_out(
    run: &Arc<Run>,
    control: &Session,
    done: &HashMap<String, String>,
    phases: &mut Phases,
) -> Result<Instant, Error> {
    let joins = run.options.start == Start::Join;
    let mut seen = Seen::default();
    if !joins {
        state::set_phase(control, "data", false).await?;
    }
    phases.begin(Phase::Data);
    let mut copying = copy_lanes(run);
    let mut stepping = step_lanes(run);
    join(run, control, &mut copying, &mut seen).await?;
    run.readers.close_spare();
    if run.board.unfinished_of(LaneKind::Copy) == 0 {
        match run.ensure_locked_throughout().await {
            Err(error) if error.kind() == ErrorKind::SnapshotGone => {
                run.facts().lost.get_or_insert(error);
                run.board.close();
            }
            other => other?,
        }
    }
    note_all_read_back(run, control, done).await?;
    // Nothing more is read by this process: from here on the source may vacuum again.
    if let Some(hold) = &run.hold {
        hold.release();
    }
    let all_read = Instant::now();
    if is_all_copied(run) {
        phases.begin(Phase::PostData);
        if !joins {
            state::set_phase(control, "post-data", false).await?;
        }
    }
    join(run, control, &mut stepping, &mut seen).await?;
    Ok(all_read)
}

/// Notes how a run ended; of a worker's part in it nothing is noted.
async fn end(run: &Run, control: &Session, stopped: bool) -> Result<Ending, Error> {
    let (phase, ending) = if stopped {
        ("stopped", Ending::Stopped)
    } else if run.board.left_out() > 0 || run.differs() {
        ("waiting for a repair", Ending::Complete)
    } else if !deferred(run).is_empty() {
        ("waiting for what was deferred", Ending::Complete)
    } else {
        ("complete", Ending::Complete)
    };
    if run.options.start != Start::Join {
        let mut findings = run.facts().findings.clone().split_off(run.known_before);
        if phase == "complete" {
            // As the result says it, and will when somebody asks again.
            findings.extend(unverified(&run.plan, &run.options));
        }
        state::store_findings(control, &findings, run.known_before).await?;
        state::set_phase(control, phase, phase == "complete").await?;
    }
    Ok(ending)
}

/// On 9.6 each export takes a transaction id, which must not look like somebody's write.
async fn count_own_export(
    run: &Run,
    control: &Session,
    consistency: Consistency,
) -> Result<(), Error> {
    // A moment that was read under this very keeper has counted its export already.
    let same_moment = consistency == Consistency::Snapshot || run.options.start == Start::Join;
    if run.source_takes_no_ids || !same_moment {
        Ok(())
    } else {
        state::add_own_ids(control, 1).await
    }
}

/// Makes sure that what is copied from now on is of the moment of what was copied before.
async fn go_on(
    run: &Arc<Run>,
    (control, emptied): (&Session, Option<Vec<RelationName>>),
    done: &mut HashMap<String, String>,
    consistency: Consistency,
    (record, writes): (&RunRecord, &BTreeMap<u32, i64>),
) -> Result<(), Error> {
    let restarted = restart_tables::wanted(run, emptied.as_deref().unwrap_or_default())?;
    if run.hold.is_some() && consistency == Consistency::Reverified {
        let objects = (0..run.large_objects.len())
            .filter_map(|batch| {
                let key = run.key(&Work::LargeObjects(batch));
                done.get(&key).map(|digest| (batch, digest.clone()))
            })
            .collect();
        reverify::all(run, &restarted, objects).await?;
    }
    let controls = (run.target.as_ref(), control.pid());
    let begin_again = restart_tables::begin_again(run, control, &restarted, done);
    let what = "beginning again for some tables";
    waits::aloud(run.observer.as_ref(), controls, what, begin_again).await.0?;
    let rows_are_missing = run.hold.is_some() || !restarted.is_empty();
    forget_what_is_made_of_rows(run, control, done, rows_are_missing).await?;
    if emptied.is_some() {
        control.batch("note that the target has come back", state::BEAR_WITNESS).await?;
    }
    if run.hold.is_none() && run.origin.server().is_some() {
        return Ok(());
    }
    state::set_moment(control, record, writes).await
}

/// A view that was refreshed, or a sequence that was read, by a process that had to leave some rows out
/// was so too early. Where none are missing, the target has crashed: unlogged sequences begin anew.
async fn forget_what_is_made_of_rows(
    run: &Run,
    control: &Session,
    done: &mut HashMap<String, String>,
    rows_are_missing: bool,
) -> Result<(), Error> {
    let early = run.board.tasks().filter(|(_, task)| match task.work {
        Work::Sequences => true,
        Work::Schema(at) => rows_are_missing && run.steps[at].step.stage == Stage::Refresh,
        _ => false,
    });
    let mut early: Vec<String> = early.map(|(_, task)| run.key(&task.work)).collect();
    early.retain(|step| done.contains_key(step));
    if early.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = early.iter().map(|step| literal(step)).collect();
    let sql = format!("delete from pghaul.step where id in ({})", ids.join(", "));
    control.batch("forget what was made of some rows", &sql).await?;
    done.retain(|step, _| !early.contains(step));
    run.ledger.forget_steps(&early);
    Ok(())
}

/// Tasks whose receipts are there are not handed out.
fn skip_what_is_done(run: &Run, done: &HashMap<String, String>) {
    for (id, task) in run.board.tasks() {
        let is_done = match &task.work {
            Work::Part(part) => run.facts().receipts.is_done(*part),
            Work::Gate(_) => false,
            other => done.get(&run.last_key(other)).is_some_and(|text| run.learn(other, text)),
        };
        if is_done {
            refresh::tell(run, &task.work);
            run.board.already_done(id);
        }
    }
}

/// Whether nothing that moves rows is left; else the run ends here, to be gone on with.
fn is_all_copied(run: &Run) -> bool {
    run.board.unfinished_of(LaneKind::Copy) == 0 && run.facts().lost.is_none()
}

async fn note_all_read_back(
    run: &Run,
    control: &Session,
    done: &HashMap<String, String>,
) -> Result<(), Error> {
    if !is_all_copied(run)
        || !run.facts().failures.is_empty()
        || run.differs()
        || done.contains_key(ALL_READ_BACK)
    {
        return Ok(());
    }
    let receipt = StepReceipt {
        id: ALL_READ_BACK,
        kind: "DATA",
        object: "all tables",
        result: "",
        undo: "",
        worker: &run.transfer.worker,
    };
    let sql = format!("{} on conflict do nothing", receipt.insert_statement());
    control.batch("note that all is read back", &sql).await
}

/// The first failure is what the run ends with; the others are findings, unless they say the same: what
/// was in flight when the target's disk was full.
fn first_failure(run: &Run) -> Option<Error> {
    let mut failures = std::mem::take(&mut run.facts().failures).into_iter();
    let first = failures.next()?;
    let says_more = |other: &Error| !retry::is_damage(other) && !retry::is_full_disk(other);
    for other in failures.filter(says_more) {
        let otherwise = || format!("mend the cause, then go on with {}", run.origin.go_on());
        let remedy = other.hint().map_or_else(otherwise, str::to_owned);
        run.find(Finding::new(Severity::Blocker, "given_up", other.in_one_line(), remedy));
    }
    Some(first)
}

fn copy_lanes(run: &Arc<Run>) -> JoinSet<()> {
    let count = run.options.jobs.get();
    let beginning = Arc::new(Beginning::of(run, count));
    let mut lanes = JoinSet::new();
    for number in 1..=count {
        let (run, beginning) = (Arc::clone(run), Arc::clone(&beginning));
        lanes.spawn(async move { Box::pin(lane::copy(&run, number, &beginning)).await });
    }
    lanes
}

fn step_lanes(run: &Arc<Run>) -> JoinSet<()> {
    let mut lanes = JoinSet::new();
    for number in 1..=run.options.index_jobs.get() {
        let run = Arc::clone(run);
        lanes.spawn(async move { lane::step(&run, number).await });
    }
    lanes
}

/// Waits for lanes; when all is to stop at once, they are dropped where they are, and with them
/// their sessions: what was not committed is not there.
async fn join(
    run: &Run,
    control: &Session,
    lanes: &mut JoinSet<()>,
    seen: &mut Seen,
) -> Result<(), Error> {
    // Goes on while lanes end: what it has begun to note is not to be noted twice.
    let mut looking = std::pin::pin!(refresh::keep_looking(run, control, seen));
    loop {
        let ended = tokio::select! {
            ended = lanes.join_next() => ended,
            // Without this session we are not the only one any more who may begin or go on.
            error = &mut looking => return Err(error),
            () = run.stop.now.cancelled() => {
                run.stop.soon.cancel();
                run.board.close();
                lanes.shutdown().await;
                return Ok(());
            }
        };
        let Some(ended) = ended else { return Ok(()) };
        ended.map_err(|error| {
            Error::new(ErrorKind::Bug, "a lane ended by a panic; the state in the target is intact")
                .caused_by(error)
        })?;
    }
}

/// Twelve random hex digits: enough to tell the runs of one database apart.
fn new_run_id() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:012x}", random >> 16)
}
