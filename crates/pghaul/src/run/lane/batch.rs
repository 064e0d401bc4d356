//! Small tasks together, so that thousands of tables do not cost thousands of round trips each.
//!
//! Invariants: each task of a batch has its own claim, receipt and verdict, as if it were alone; a
//! batch that fails has done nothing but what its receipts say, and each of its tasks is tried alone
//! then, so that one bad table spoils no other; what was in a batch when the source's session died
//! is not put into a batch again, so that a part that crashes the server is found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::board::{Amount, LaneKind, Load, TaskId, Verdict};
use super::super::claim::ClaimKey;
use super::super::options::Verify;
use super::super::retry;
use super::super::work::{ReadBackResult, Run, Sessions, Work, receipt_of};
use super::{end, fail, in_part, lost};
use crate::connect::Purpose;
use crate::error::Error;
use crate::event::Event;
use crate::name::literal;
use crate::plan::{Part, PartId, ReadBack, TablePlan};
use crate::state::StepReceipt;
use crate::transfer::batch::BatchFailure;
use crate::verify;

/// What a batch holds at most; its bytes on disk are what is lost when it fails.
const MOST: Amount = Amount { tasks: 64, bytes: 8 << 20 };

/// What is not worth being shared by several lanes.
const LEAST: Amount = Amount { tasks: 16, bytes: 256 << 10 };

/// Parts that are in no batch any more. Shared by all attempts of one process.
#[derive(Default)]
pub(in crate::run) struct Alone(Mutex<BTreeSet<PartId>>);

impl Alone {
    fn holds(&self, part: PartId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&part)
    }

    fn add(&self, parts: impl Iterator<Item = PartId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(parts);
    }
}

/// What goes along with a small task.
pub(super) fn take_along(run: &Run, kind: LaneKind, first: TaskId) -> Vec<TaskId> {
    let lanes = match kind {
        LaneKind::Copy => run.options.jobs.get(),
        LaneKind::Step => run.options.index_jobs.get(),
    };
    let bytes = run.options.part_size.unwrap_or(MOST.bytes).min(MOST.bytes);
    let leader = &run.board.task(first).work;
    if !may_join(run, leader, leader) {
        return Vec::new();
    }
    let load = Load { most: Amount { bytes, ..MOST }, least: LEAST, lanes };
    run.board.take_along(first, load, |task| may_join(run, leader, &task.work))
}

fn may_join(run: &Run, leader: &Work, other: &Work) -> bool {
    match (leader, other) {
        (Work::Part(leader), Work::Part(part)) => {
            let guard = |part: &PartId| &run.plan.tables[run.plan.parts[part.0].table].guard;
            run.origin.server().is_some()
                && guard(leader) == guard(part)
                && !run.given_up.contains(part)
                && !run.alone.holds(*part)
                && run.facts().receipts.of(*part).is_empty()
        }
        (Work::ReadBack(_), Work::ReadBack(_)) => true,
        (Work::Schema(_) | Work::Analyze(_), Work::Schema(_) | Work::Analyze(_)) => true,
        _ => false,
    }
}

/// What became of some tasks; the others have to be tried alone.
type Ended = Vec<(TaskId, Verdict)>;

impl Sessions<'_> {
    /// Carries out tasks together; gives those that are to be tried alone, in their order.
    pub(super) async fn together(&mut self, ids: Vec<TaskId>) -> Vec<TaskId> {
        let run = self.run;
        let ended = match ids.first().map(|id| &run.board.task(*id).work) {
            Some(Work::Part(_)) => self.copy_together(&ids).await,
            Some(Work::ReadBack(_)) => self.read_back_together(&ids).await,
            _ => self.step_together(&ids).await,
        };
        let ended = ended.unwrap_or_else(|error| {
            self.drop_sessions();
            // Any other error will be told by the task that it is about, once that is alone.
            if retry::is_worth_another_try(&error) {
                let (what, after) = (&error.in_one_line(), Duration::ZERO);
                run.observer.on_event(&Event::Retrying { what, after });
            }
            Vec::new()
        });
        let over: BTreeSet<TaskId> = ended.iter().map(|(id, _)| *id).collect();
        for (id, verdict) in ended {
            end(run, id, verdict);
        }
        ids.into_iter().filter(|id| !over.contains(id)).collect()
    }

    async fn copy_together(&mut self, ids: &[TaskId]) -> Result<Ended, Error> {
        let run = self.run;
        let part_of = |id: &TaskId| match run.board.task(*id).work {
            Work::Part(part) => Some((*id, part)),
            _ => None,
        };
        let parts: Vec<(TaskId, PartId)> = ids.iter().filter_map(part_of).collect();
        self.open_source().await?;
        self.open_target(Purpose::Write).await?;
        let (Some(source), Some(target)) = (&self.source, &self.target) else {
            return Err(lost());
        };
        let key = |part: PartId| ClaimKey::of_task(&run.id, &run.key(&Work::Part(part)));
        let claims: Vec<ClaimKey> = parts.iter().map(|(_, part)| key(*part)).collect();
        let numbers: Vec<String> = parts.iter().map(|(_, part)| part.0.to_string()).collect();
        let query = format!(
            "select distinct part from pghaul.receipt where part in ({})",
            numbers.join(", ")
        );
        let (taken, found) = ClaimKey::try_take_all_and(&claims, target, &query).await?;
        let begun: BTreeSet<String> =
            found.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        let mut ended = Ended::new();
        let (mut ours, mut held) = (Vec::new(), Vec::new());
        for (((id, part), claim), taken) in parts.iter().zip(&claims).zip(taken) {
            if !taken {
                ended.push((*id, Verdict::Elsewhere));
                continue;
            }
            held.push(*claim);
            // By another process, or by us and the answer was lost: that is for one alone.
            if !begun.contains(&part.0.to_string()) {
                ours.push((*id, *part));
            }
        }
        let tables: Vec<(&TablePlan, &Part)> = ours
            .iter()
            .map(|(_, part)| &run.plan.parts[part.0])
            .map(|part| (&run.plan.tables[part.table], part))
            .collect();
        let copying = run.transfer.copy_tables((source, target), &tables);
        // Where it fails because of a lock, the table that it is about will say so alone.
        match run.read_aloud(source, "reading small tables", copying).await.0 {
            Ok(receipts) => {
                let copied: Vec<TaskId> =
                    ours.iter().take(receipts.len()).map(|(id, _)| *id).collect();
                for receipt in receipts {
                    let part = receipt.part;
                    run.facts().receipts.add(receipt);
                    run.ledger.part(run, part);
                }
                ClaimKey::give_all_back(&held, target).await?;
                ended.extend(copied.into_iter().map(|id| (id, Verdict::Done)));
                Ok(ended)
            }
            Err(BatchFailure { at, error }) => {
                if error.connection_lost() {
                    run.alone.add(ours.iter().map(|(_, part)| *part));
                }
                match at.and_then(|at| ours.get(at)) {
                    // What would only fail again, and may crash the server, is not read again.
                    Some((id, part)) if !retry::is_worth_another_try(&error) => {
                        let error = in_part(run, *part, error);
                        self.drop_sessions();
                        ended.push((*id, fail(run, *id, error).await));
                        Ok(ended)
                    }
                    _ => Err(error),
                }
            }
        }
    }

    async fn read_back_together(&mut self, ids: &[TaskId]) -> Result<Ended, Error> {
        let run = self.run;
        self.open_target(Purpose::Write).await?;
        self.open_reader().await?;
        let (Some(target), Some(reader)) = (&self.target, &self.reader) else {
            return Err(lost());
        };
        let work = |id: &TaskId| &run.board.task(*id).work;
        let keys: Vec<String> = ids.iter().map(|id| run.key(work(id))).collect();
        let claims: Vec<ClaimKey> =
            keys.iter().map(|key| ClaimKey::of_task(&run.id, key)).collect();
        let names: Vec<String> = keys.iter().map(|key| literal(key)).collect();
        let query =
            format!("select id, result from pghaul.step where id in ({})", names.join(", "));
        let (taken, found) = ClaimKey::try_take_all_and(&claims, target, &query).await?;
        let done: BTreeMap<String, String> = found
            .into_iter()
            .filter_map(|mut row| Some((row.first_mut()?.take()?, row.get_mut(1)?.take()?)))
            .collect();
        let mut ended = Ended::new();
        let (mut ours, mut held) = (Vec::new(), Vec::new());
        for (((id, key), claim), taken) in ids.iter().zip(&keys).zip(&claims).zip(taken) {
            let Work::ReadBack(at) = work(id) else { continue };
            if !taken {
                ended.push((*id, Verdict::Elsewhere));
                continue;
            }
            held.push(*claim);
            let what = &run.plan.read_backs[*at];
            match (done.get(key), what.tables.first()) {
                (Some(result), _) if run.learn(work(id), result) => {
                    run.ledger.verified(run, *at, true);
                    ended.push((*id, Verdict::Done));
                }
                (_, Some(first)) => ours.push((*id, *at, &run.plan.tables[*first], what)),
                (_, None) => ended.push((*id, Verdict::Done)),
            }
        }
        let tables: Vec<(&TablePlan, &ReadBack)> =
            ours.iter().map(|(_, _, table, what)| (*table, *what)).collect();
        let digests = match run.options.verify {
            Verify::Full => verify::read_all_back(reader, &tables, &run.transfer.counters).await?,
            Verify::Rows => verify::count_all(reader, &tables).await?,
            Verify::None => Vec::new(),
        };
        let mut receipts = Vec::new();
        let mut equal = Vec::new();
        for ((id, at, _, what), digest) in ours.iter().zip(digests) {
            // One that differs is read again, alone, by what names its rows.
            if run.options.verify.equal(digest, run.read_from_source(what)) {
                let (object, result) = (what.name.to_string(), receipt_of(&digest));
                receipts.push(read_back_receipt(run, &Work::ReadBack(*at), &object, &result));
                equal.push((*id, *at, digest));
            }
        }
        target.batch("note that tables were read back", &receipts.join("; ")).await?;
        for (id, at, digest) in equal {
            let result = ReadBackResult { target: digest, equal: true, differences: Vec::new() };
            run.facts().read_backs.insert(at, result);
            run.ledger.verified(run, at, true);
            ended.push((id, Verdict::Done));
        }
        ClaimKey::give_all_back(&held, target).await?;
        Ok(ended)
    }

    async fn step_together(&mut self, ids: &[TaskId]) -> Result<Ended, Error> {
        let ran = self.run_steps(ids).await?;
        let mut ended = Ended::new();
        for (id, ran) in ids.iter().zip(ran) {
            match ran {
                Ok(verdict) => ended.push((*id, verdict)),
                Err(error) if retry::is_worth_another_try(&error) => {}
                Err(error) => ended.push((*id, fail(self.run, *id, error).await)),
            }
        }
        Ok(ended)
    }
}

/// The statement that notes that a table was read back and is equal.
pub(super) fn read_back_receipt(run: &Run, work: &Work, object: &str, result: &str) -> String {
    let receipt = StepReceipt {
        id: &run.key(work),
        kind: "READ BACK",
        object,
        result,
        undo: "",
        worker: &run.transfer.worker,
    };
    format!("{} on conflict do nothing", receipt.insert_statement())
}
