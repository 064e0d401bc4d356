//! A lane takes tasks from the board, one after the other, until nothing is left.
//!
//! Invariants: a task is claimed before it is worked on, and its receipt is looked for after the
//! claim, so no piece is written twice; after a lost connection the claim of the dead session has
//! to go first; what fails for good is kept as a failure and everything independent goes on.

mod batch;
mod read_back;
mod source;

pub(super) use batch::Alone;
pub(super) use source::Beginning;

use std::collections::BTreeSet;

use super::advice::advise;
use super::board::{LaneKind, TaskId, Taste, Verdict};
use super::claim::ClaimKey;
use super::options::Verify;
use super::origin::Origin;
use super::readers::in_the_way;
use super::work::{Run, Sessions, Work};
use super::{refresh, retry};
use crate::connect::{Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::plan::PartId;
use crate::state::{self, Receipts, StepReceipt};
use crate::transfer::large_objects::{self, Attributes};
use crate::transfer::{Ended, archived};

/// Runs what moves rows until the board has no more of it. Where there are several such lanes, the
/// last prefers small tasks, so that what waits for a small table does not wait for all large ones.
pub(super) async fn copy(run: &Run, number: usize, beginning: &Beginning) {
    let lanes = run.options.jobs.get();
    let taste = if lanes > 1 && number == lanes { Taste::Small } else { Taste::Heavy };
    let mut sessions = Sessions::of(run, format!("copy {number}"));
    sessions.begin(number, beginning).await;
    sessions.work(LaneKind::Copy, taste).await;
}

/// Runs all other statements until the board has no more of them.
pub(super) async fn step(run: &Run, number: usize) {
    Sessions::of(run, format!("step {number}")).work(LaneKind::Step, Taste::Heavy).await;
}

/// Gives a task back to the board.
fn end(run: &Run, id: TaskId, verdict: Verdict) {
    if verdict == Verdict::Done {
        run.facts().progress = true;
    }
    let left_out = run.board.finish(id, verdict);
    report_left_out(run, id, &left_out);
    if run.stop.soon.is_cancelled() {
        run.board.close();
    }
}

/// Keeps a failure; what does not need the task goes on, unless it would fail in the same way.
async fn fail(run: &Run, id: TaskId, error: Error) -> Verdict {
    if retry::is_full_disk(&error) {
        run.board.close();
        run.facts().failures.push(error.with_hint(format!(
            "make room on the target, then go on with {}: nothing that is there is written again",
            run.origin.go_on()
        )));
        return Verdict::Again;
    }
    report_damage(run, id, &error);
    if let Work::Part(part) = run.board.task(id).work {
        run.undisturbed.give_up(run.plan.parts[part.0].table).await;
    }
    if error.kind() == ErrorKind::Bug {
        run.board.close();
    }
    run.facts().failures.push(advise(run, &run.board.task(id).work, error));
    Verdict::LeftOut
}

/// Damage is a finding too: scripts look for its code, and several tables may have some.
fn report_damage(run: &Run, id: TaskId, error: &Error) {
    let Work::Part(part) = run.board.task(id).work else { return };
    if !retry::is_damage(error) {
        return;
    }
    let table = &run.plan.tables[run.plan.parts[part.0].table].name;
    let remedy = error.hint().unwrap_or_default();
    run.find(Finding::new(Severity::Blocker, "damaged", error.in_one_line(), remedy).about(table));
}

/// Says what could not be done because of what it waited for, once for each object; gates and the like
/// are not worth a word of their own.
fn report_left_out(run: &Run, cause: TaskId, left_out: &[TaskId]) {
    let step = |id: &TaskId| match run.board.task(*id).work {
        Work::Schema(at) => Some(&run.steps[at].step),
        _ => None,
    };
    let failed = step(&cause).map(|step| step.object.as_str());
    let because = match step(&cause) {
        Some(step) => format!("{} {}", step.kind, step.object),
        None => doing(run, cause, 0),
    };
    let mut named: BTreeSet<&str> = failed.into_iter().collect();
    for step in left_out.iter().filter_map(step) {
        if !named.insert(&step.object) {
            continue;
        }
        run.find(
            Finding::new(
                Severity::Warning,
                "left_out",
                format!("cannot {}, since it needs what failed: {because}", step.doing()),
                format!("mend the cause, then go on with {}", run.origin.go_on()),
            )
            .about(&step.object),
        );
    }
}

impl<'a> Sessions<'a> {
    fn of(run: &'a Run, lane: String) -> Self {
        Self { run, lane, source: None, target: None, reader: None, barred: false }
    }

    async fn work(mut self, kind: LaneKind, taste: Taste) {
        let run = self.run;
        while let Some(first) = run.board.next(kind, taste).await {
            let reads = run.reads_source(&run.board.task(first).work);
            self.barred &= reads;
            if reads && !self.may_read().await {
                end(run, first, Verdict::Again);
                self.wait_for_reader().await;
                continue;
            }
            let along = batch::take_along(run, kind, first);
            run.at_work.begin(&self.lane, doing(run, first, along.len()));
            if along.is_empty() {
                let verdict = self.alone(first).await;
                end(run, first, verdict);
            } else {
                for id in self.together([vec![first], along].concat()).await {
                    let may_begin = run.board.may_begin(id) && !self.leaves_it_to_others();
                    let verdict = if may_begin { self.alone(id).await } else { Verdict::Again };
                    end(run, id, verdict);
                }
            }
            run.at_work.end(&self.lane, run.observer.as_ref());
            if self.leaves_it_to_others() {
                self.wait_for_reader().await;
            }
        }
    }

    /// Carries out one task, as often as it takes.
    async fn alone(&mut self, id: TaskId) -> Verdict {
        let run = self.run;
        match self.try_until_done(id).await {
            Ok(Some(verdict)) => verdict,
            Ok(None) => {
                // Stopped inside a part: what is committed is committed.
                run.board.close();
                Verdict::Again
            }
            Err(error) if error.kind() == ErrorKind::SnapshotGone => {
                // Nothing more can be read under this snapshot; the run is prepared anew.
                run.facts().lost.get_or_insert(error);
                run.board.close();
                Verdict::Again
            }
            Err(error) => fail(run, id, error).await,
        }
    }

    /// A session in an unknown state is not used again.
    fn drop_sessions(&mut self) {
        self.source = None;
        self.target = None;
        self.reader = None;
        self.run.at_work.has_none(&self.lane);
    }

    /// None: stopped.
    async fn try_until_done(&mut self, id: TaskId) -> Result<Option<Verdict>, Error> {
        let run = self.run;
        let mut attempt = 0;
        let mut committed = self.pieces(id);
        loop {
            match self.attempt(id).await {
                Ok(verdict) => return Ok(verdict),
                Err(error) => {
                    self.note_silent_death(id, &error);
                    self.drop_sessions();
                    if self.leaves_it_to_others() {
                        return Ok(Some(Verdict::Again));
                    }
                    if self.pieces(id) > committed {
                        committed = self.pieces(id);
                        run.facts().progress = true;
                        attempt = 0;
                    }
                    attempt += 1;
                    let give_up = attempt >= run.options.attempts
                        || run.stop.soon.is_cancelled()
                        || !retry::is_worth_another_try(&error)
                        || !(self.barred || run.budget.take());
                    if give_up && self.barred {
                        return Ok(Some(self.end_reading(error)));
                    }
                    if give_up {
                        return Err(error);
                    }
                    let after = retry::pause(attempt, run.seed());
                    run.observer.on_event(&Event::Retrying { what: &error.in_one_line(), after });
                    tokio::select! {
                        () = tokio::time::sleep(after) => {}
                        () = run.stop.soon.cancelled() => return Err(error),
                    }
                }
            }
        }
    }

    /// Pieces of a part that are committed.
    fn pieces(&self, id: TaskId) -> usize {
        match self.run.board.task(id).work {
            Work::Part(part) => self.run.facts().receipts.of(part).len(),
            _ => 0,
        }
    }

    /// A backend that crashes takes leave without a word, while all others are told why they end
    /// (57P02). Whether it was a crash at all is known once the server is back.
    fn note_silent_death(&self, id: TaskId, error: &Error) {
        let (Work::Part(part), Some(source)) = (&self.run.board.task(id).work, &self.source) else {
            return;
        };
        let told = source.last_words().is_some_and(|words| words.contains("SQLSTATE"))
            || source.take_warnings().iter().any(|warning| warning.sqlstate == "57P02");
        if error.connection_lost() && error.sqlstate().is_none() && source.is_closed() && !told {
            self.run.facts().suspects.insert(*part);
        }
    }

    async fn attempt(&mut self, id: TaskId) -> Result<Option<Verdict>, Error> {
        let run = self.run;
        match &run.board.task(id).work {
            Work::Gate(_) => Ok(Some(Verdict::Done)),
            Work::Part(part) => self.copy_part(*part).await,
            Work::LargeObjects(batch) => self.copy_large_objects(*batch).await,
            Work::ReadSlice(part) => self.read_slice(*part).await,
            Work::ReadBack(at) => self.read_back(*at).await,
            Work::Schema(_) | Work::Analyze(_) => {
                let mut ran = self.run_steps(&[id]).await?;
                ran.pop().unwrap_or_else(|| Err(lost())).map(Some)
            }
            Work::Sequences => self.sequences().await.map(Some),
        }
    }

    async fn copy_part(&mut self, id: PartId) -> Result<Option<Verdict>, Error> {
        let run = self.run;
        let part = &run.plan.parts[id.0];
        let table = &run.plan.tables[part.table];
        if run.given_up.contains(&id) {
            return Err(in_part(run, id, crashed_over_it()));
        }
        if run.origin.server().is_some() {
            self.open_source().await?;
        }
        self.open_target(Purpose::Write).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let claim = ClaimKey::of_task(&run.id, &run.key(&Work::Part(id)));
        // The acknowledgement of a COMMIT may have been lost, or another process was here: the
        // receipts decide.
        let count = format!("select pg_catalog.count(*) from pghaul.receipt where part = {}", id.0);
        let Some(stored) = claim.try_take_and(target, &count).await? else {
            return Ok(Some(Verdict::Elsewhere));
        };
        let stored = stored.first().and_then(|row| row.first()).cloned().flatten();
        let known = run.facts().receipts.of(id).len();
        if stored != Some(known.to_string()) {
            refresh::learn_part(run, id, Receipts::load_part(target, id).await?);
        }
        let (done, resume) = {
            let facts = run.facts();
            (facts.receipts.is_done(id), facts.receipts.resume_at(id))
        };
        let ended = if done {
            Ended::Done
        } else {
            run.undisturbed.begin(run, part.table).await;
            let committed = |receipt: state::Receipt| {
                run.facts().receipts.add(receipt);
                run.ledger.part(run, id);
            };
            let ended = match (&run.origin, &self.source) {
                (Origin::Archive(archive), _) => {
                    run.transfer.load_part((archive, target), table, part, committed).await
                }
                (Origin::Server(_), Some(source)) => {
                    let both = (&**source, target);
                    let what = format!("reading `{}`", table.name);
                    let copying = run.transfer.copy_part(both, table, part, resume, committed);
                    let (copied, holders) = run.read_aloud(source, &what, copying).await;
                    copied.map_err(|error| in_the_way(error, &holders))
                }
                (Origin::Server(_), None) => Err(lost()),
            };
            ended.map_err(|error| in_part(run, id, error))?
        };
        claim.give_back(target).await?;
        if ended == Ended::Stopped {
            return Ok(None);
        }
        if run.is_whole(part.table) {
            run.undisturbed.end(part.table).await;
        }
        Ok(Some(Verdict::Done))
    }

    async fn copy_large_objects(&mut self, batch: usize) -> Result<Option<Verdict>, Error> {
        let run = self.run;
        let key = run.key(&Work::LargeObjects(batch));
        if run.origin.server().is_some() {
            self.open_source().await?;
        }
        self.open_target(Purpose::Write).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let claim = ClaimKey::of_task(&run.id, &key);
        let Some(mut result) = claim.try_take_step(target, &key).await? else {
            return Ok(Some(Verdict::Elsewhere));
        };
        let objects = &run.large_objects[batch];
        if result.is_none() {
            let attributes =
                Attributes { owner: run.options.owners, privileges: run.options.privileges };
            target.batch("begin a batch of large objects", "begin").await?;
            let counters = &run.transfer.counters;
            let digest = match (&run.origin, &self.source) {
                (Origin::Archive(archive), _) => {
                    let these = (objects.as_slice(), attributes);
                    archived::load_objects((archive, target), batch, these, counters).await?
                }
                (Origin::Server(_), Some(source)) => {
                    large_objects::copy(source, target, objects, attributes, counters).await?
                }
                (Origin::Server(_), None) => return Err(lost()),
            };
            let object = format!("{} large objects", objects.len());
            let receipt = StepReceipt {
                id: &key,
                kind: "LARGE OBJECTS",
                object: &object,
                result: &digest,
                undo: &large_objects::unlink(objects),
                worker: &run.transfer.worker,
            };
            let sql = format!("{}; commit", receipt.insert_statement());
            target.batch("commit a batch of large objects", &sql).await?;
            result = Some(digest);
        }
        if let (Verify::Full, Some(read)) = (run.options.verify, result) {
            self.read_objects_back(batch, &read).await?;
        }
        claim.give_back(target).await?;
        Ok(Some(Verdict::Done))
    }

    /// The target's session, one of those that may write receipts.
    pub(super) async fn open_target(&mut self, purpose: Purpose) -> Result<(), Error> {
        if self.target.as_ref().is_none_or(Session::is_closed) {
            let name = format!("{} {}", self.run.id, self.lane);
            let target = self.run.target.connect(purpose, &name).await?;
            self.run.at_work.has(&self.lane, &target);
            ClaimKey::of_writers().take_shared(&target).await?;
            self.target = Some(target);
        }
        Ok(())
    }
}

/// What a lane is at, for those who ask why it takes so long.
fn doing(run: &Run, first: TaskId, along: usize) -> String {
    let doing = match &run.board.task(first).work {
        Work::Part(part) => {
            format!("writing `{}`", run.plan.tables[run.plan.parts[part.0].table].name)
        }
        Work::LargeObjects(_) => "writing large objects".to_owned(),
        Work::ReadSlice(part) => {
            format!("reading `{}` back", run.plan.tables[run.plan.parts[part.0].table].name)
        }
        Work::ReadBack(at) => format!("reading `{}` back", run.plan.read_backs[*at].name),
        Work::Schema(at) => {
            let step = &run.steps[*at].step;
            format!("{} {}", step.kind.name(), step.object)
        }
        Work::Analyze(name) => format!("ANALYZE {name}"),
        Work::Sequences => "setting sequences".to_owned(),
        Work::Gate(name) => (*name).to_owned(),
    };
    match along {
        0 => doing,
        more => format!("{doing} and {more} more"),
    }
}

pub(super) fn lost() -> Error {
    Error::new(ErrorKind::Bug, "a lane lost its sessions")
}

fn in_part(run: &Run, id: PartId, error: Error) -> Error {
    let part = &run.plan.parts[id.0];
    let table = &run.plan.tables[part.table];
    if let Some(archive) = run.origin.archive() {
        let file = archive.file_of(id);
        return error.while_doing(format!("cannot restore `{}` from {file}", table.name));
    }
    let all = run.plan.parts_of(part.table).count();
    let place = run.plan.parts_of(part.table).position(|other| other.id == id).unwrap_or(0) + 1;
    let until = part.until.map_or("the end".to_owned(), |block| format!("below {block}"));
    let doing = format!(
        "cannot copy part {place} of {all} of `{}` (blocks {} to {until})",
        table.name,
        part.from.unwrap_or(0)
    );
    let damage = retry::is_damage(&error);
    let error = error.while_doing(doing);
    if !damage {
        return error;
    }
    error.with_hint(
        "the source's storage is damaged there; the other tables were carried; restore the table \
         from a backup or leave it out with --exclude",
    )
}

fn crashed_over_it() -> Error {
    Error::new(
        ErrorKind::Transfer,
        "the source server crashed twice while these blocks were read; they are not read again",
    )
    .with_hint(
        "look for the crash in the source's log; its storage may be damaged there; restore the \
         table from a backup or leave it out with --exclude",
    )
}
