//! Looking around: what other processes have done of the same run, whether our own session on the
//! target still lives, and under which name the snapshot is to be had.
//!
//! Invariant: what is learned here only saves work. A receipt that is missed here is found by
//! whoever claims its part or step.

use std::convert::Infallible;
use std::time::Duration;

use super::answer;
use super::board::LaneKind;
use super::claim::ClaimKey;
use super::options::Start;
use super::work::{Run, Work};
use crate::connect::{Session, Side};
use crate::error::Error;
use crate::plan::PartId;
use crate::snapshot::hold::Hold;
use crate::state::{self, Receipts};

/// How often to look.
const EVERY: Duration = Duration::from_secs(1);

/// Receipts are looked at again for this long after they were written: they are written before
/// their COMMIT.
const LATE: &str = "1 minute";

/// What was seen last time.
#[derive(Default)]
pub(super) struct Seen {
    exports: u64,
    published: bool,
}

/// Looks again and again, and tells when a server does not answer; gives why it cannot look any
/// more.
pub(super) async fn keep_looking(run: &Run, control: &Session, seen: &mut Seen) -> Error {
    let looking = async {
        loop {
            tokio::time::sleep(EVERY).await;
            let looked = answer::aloud(run, Side::Target, look(run, control, seen)).await;
            if let Err(error) = looked {
                return error;
            }
        }
    };
    tokio::select! {
        error = looking => error,
        never = tell_of_a_silent_source(run) => match never {},
    }
}

async fn tell_of_a_silent_source(run: &Run) -> Infallible {
    let mut told = Duration::ZERO;
    loop {
        tokio::time::sleep(EVERY).await;
        let silent = run.hold.as_ref().and_then(Hold::silent_for).unwrap_or_default();
        if silent < answer::SILENCE {
            told = Duration::ZERO;
        } else if silent >= told + answer::SILENCE {
            told = silent;
            answer::tell(run, Side::Source, silent);
        }
    }
}

/// Looks once.
async fn look(run: &Run, control: &Session, seen: &mut Seen) -> Result<(), Error> {
    parts(run, control).await?;
    steps(run, control).await?;
    run.board.look_again();
    run.at_work.look(control, run.observer.as_ref()).await;
    if run.board.unfinished_of(LaneKind::Copy) > 0 {
        publish(run, control, seen).await?;
    }
    Ok(())
}

async fn parts(run: &Run, control: &Session) -> Result<(), Error> {
    let sql = format!(
        "select part, pg_catalog.count(*) from pghaul.receipt group by part \
         having pg_catalog.max(committed) > pg_catalog.clock_timestamp() - interval '{LATE}'"
    );
    for row in control.simple_rows("look for receipts", &sql).await? {
        let number = |at: usize| {
            row.get(at).and_then(|text| text.as_deref()).and_then(|text| text.parse::<usize>().ok())
        };
        let (Some(part), Some(count)) = (number(0), number(1)) else { continue };
        let part = PartId(part);
        if run.plan.parts.len() <= part.0 || run.facts().receipts.of(part).len() >= count {
            continue;
        }
        learn_part(run, part, Receipts::load_part(control, part).await?);
    }
    for (id, task) in run.board.tasks() {
        if let Work::Part(part) = task.work
            && !run.board.is_done(id)
            && run.facts().receipts.is_done(part)
        {
            let table = run.plan.parts[part.0].table;
            if run.is_whole(table) {
                run.undisturbed.end(table).await;
            }
            run.board.already_done(id);
        }
    }
    Ok(())
}

/// Takes over what is stored of a part, and tells of what is new.
pub(super) fn learn_part(run: &Run, part: PartId, stored: Vec<state::Receipt>) {
    {
        let mut facts = run.facts();
        if stored.len() <= facts.receipts.of(part).len() {
            return;
        }
        facts.receipts.replace(part, stored);
    }
    run.ledger.part(run, part);
}

async fn steps(run: &Run, control: &Session) -> Result<(), Error> {
    let sql = format!(
        "select id, result from pghaul.step \
         where committed > pg_catalog.clock_timestamp() - interval '{LATE}'"
    );
    let done: std::collections::HashMap<String, String> = control
        .simple_rows("look for receipts of steps", &sql)
        .await?
        .into_iter()
        .filter_map(|mut row| Some((row.first_mut()?.take()?, row.get_mut(1)?.take()?)))
        .collect();
    if done.is_empty() {
        return Ok(());
    }
    for (id, task) in run.board.tasks() {
        if matches!(task.work, Work::Part(_) | Work::Gate(_)) || run.board.is_done(id) {
            continue;
        }
        let Some(result) = done.get(&run.last_key(&task.work)) else { continue };
        if let Work::ReadBack(at) = task.work {
            // Its last receipts may be younger than our look at them.
            for table in &run.plan.read_backs[at].tables {
                for part in run.plan.parts_of(*table) {
                    if !run.facts().receipts.is_done(part.id) {
                        learn_part(run, part.id, Receipts::load_part(control, part.id).await?);
                    }
                }
            }
        }
        if run.learn(&task.work, result) {
            tell(run, &task.work);
            run.board.already_done(id);
        }
    }
    Ok(())
}

/// Tells of what somebody else has done, as far as there is an event for it.
pub(super) fn tell(run: &Run, work: &Work) {
    match work {
        Work::Part(part) => run.ledger.part(run, *part),
        Work::ReadBack(at) => run.ledger.verified(run, *at, true),
        Work::Schema(at) => run.ledger.step(run, *at, Duration::ZERO),
        Work::LargeObjects(_)
        | Work::ReadSlice(_)
        | Work::Analyze(_)
        | Work::Sequences
        | Work::Gate(_) => {}
    }
}

/// Whoever keeps the snapshot says so: the process that began the run whenever the name changes, a
/// worker when that process is gone.
async fn publish(run: &Run, control: &Session, seen: &mut Seen) -> Result<(), Error> {
    let Some(hold) = &run.hold else { return Ok(()) };
    let exports = hold.exports();
    if exports > seen.exports {
        let new = exports - seen.exports;
        // Before it is noted, lest it is noted twice: one too few only costs the proof.
        seen.exports = exports;
        seen.published = false;
        if !run.source_takes_no_ids {
            state::add_own_ids(control, new).await?;
        }
        if run.options.start == Start::Join {
            return Ok(());
        }
        if let Some(id) = hold.id() {
            state::set_snapshot(control, id.as_str()).await?;
        }
    }
    if run.options.start == Start::Join && !seen.published {
        let claim = ClaimKey::of_run();
        if claim.try_take(control).await? {
            if let Some(id) = hold.id() {
                state::set_snapshot(control, id.as_str()).await?;
                seen.published = true;
            }
            claim.give_back(control).await?;
        }
    }
    Ok(())
}
