//! Reading tables back: a small one at once, a large one slice by slice, on several lanes.
//!
//! Invariants: what is compared is the sum over the whole table; a receipt of a table says that it
//! is equal; where it is not, the receipts of its slices are forgotten, so that the next resume
//! reads all of it again.

use pghaul_rows::TableDigest;

use super::batch::read_back_receipt;
use super::lost;
use crate::connect::{Purpose, Session};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::literal;
use crate::plan::{PartId, ReadBack};
use crate::run::board::Verdict;
use crate::run::claim::ClaimKey;
use crate::run::options::Verify;
use crate::run::work::{ReadBackResult, Sessions, Work, receipt_of};
use crate::state::StepReceipt;
use crate::transfer::large_objects;
use crate::transfer::pace::Pace;
use crate::verify;
use crate::verify::difference::{Difference, Naming, differences};
use crate::verify::reading::Reading;

/// Rows named in the result for each table that differs.
const DIFFERENCES_NAMED: usize = 100;

impl Sessions<'_> {
    /// Reads the blocks of one part on the target.
    pub(super) async fn read_slice(&mut self, id: PartId) -> Result<Option<Verdict>, Error> {
        let run = self.run;
        let part = &run.plan.parts[id.0];
        let table = &run.plan.tables[part.table];
        let Some(what) = run.plan.read_backs.iter().find(|one| one.tables == [part.table]) else {
            return Err(lost());
        };
        let work = Work::ReadSlice(id);
        let Some(claim) = self.claim_of(&work).await? else { return Ok(Some(Verdict::Elsewhere)) };
        let claim = match claim {
            Claimed::Done => return Ok(Some(Verdict::Done)),
            Claimed::Open(claim) => claim,
        };
        let slice = (what, Some(part));
        let reader = self.open_reader().await?;
        let digest = verify::read_back(reader, table, slice, &run.transfer.counters).await?;
        self.note_read_back(&work, what, digest).await?;
        run.facts().slices.insert(id, digest);
        claim.give_back(self.target.as_ref().ok_or_else(lost)?).await?;
        Ok(Some(Verdict::Done))
    }

    /// Compares a table of the target with what was read from the source.
    pub(super) async fn read_back(&mut self, at: usize) -> Result<Option<Verdict>, Error> {
        let run = self.run;
        let what = &run.plan.read_backs[at];
        let Some(first) = what.tables.first().map(|table| &run.plan.tables[*table]) else {
            return Ok(Some(Verdict::Done));
        };
        let work = Work::ReadBack(at);
        let Some(claim) = self.claim_of(&work).await? else { return Ok(Some(Verdict::Elsewhere)) };
        let claim = match claim {
            Claimed::Done => {
                run.ledger.verified(run, at, true);
                return Ok(Some(Verdict::Done));
            }
            Claimed::Open(claim) => claim,
        };
        let of_slices = self.sum_of_slices(what);
        let reader = self.open_reader().await?;
        let digest = match (run.options.verify, of_slices) {
            (Verify::Full, Some(sum)) => sum,
            (Verify::Full, None) => {
                verify::read_back(reader, first, (what, None), &run.transfer.counters).await?
            }
            (Verify::Rows, _) => verify::count(reader, first, what).await?,
            (Verify::None, _) => return Ok(Some(Verdict::Done)),
        };
        let source = run.read_from_source(what);
        let equal = run.options.verify.equal(digest, source);
        let mut named = Vec::new();
        if equal {
            self.note_read_back(&work, what, digest).await?;
        } else {
            if run.options.verify == Verify::Full {
                self.forget_slices(what).await?;
                named = self.name_differences(what).await?;
            }
            run.find(
                Finding::new(
                    Severity::Warning,
                    "rows_differ",
                    format!(
                        "the target does not hold what was read from the source: {} rows there, {} here",
                        source.rows, digest.rows
                    ),
                    "something else writes to the target, or its storage is damaged; find out before using this copy",
                )
                .about(&what.name),
            );
        }
        claim.give_back(self.target.as_ref().ok_or_else(lost)?).await?;
        run.facts()
            .read_backs
            .insert(at, ReadBackResult { target: digest, equal, differences: named });
        run.ledger.verified(run, at, equal);
        Ok(Some(Verdict::Done))
    }

    /// A batch of large objects that is there; `read` is the digest of what was read. One that differs
    /// leaves no receipt.
    pub(super) async fn read_objects_back(&self, batch: usize, read: &str) -> Result<(), Error> {
        let run = self.run;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let work = Work::LargeObjects(batch);
        let oids: Vec<u32> = run.large_objects[batch].iter().map(|object| object.oid).collect();
        let there = match large_objects::digest(target, &oids, &run.transfer.counters).await {
            Ok(there) => Some(there),
            // One of them is gone.
            Err(error) if error.sqlstate() == Some("42704") => None,
            Err(error) => return Err(error),
        };
        if there.as_deref() == Some(read) {
            let receipt = StepReceipt {
                id: &run.last_key(&work),
                kind: "LARGE OBJECTS READ BACK",
                object: &format!("{} large objects", oids.len()),
                result: read,
                undo: "",
                worker: &run.transfer.worker,
            };
            let sql = format!("{} on conflict do nothing", receipt.insert_statement());
            return target.batch("note that large objects were read back", &sql).await;
        }
        run.facts().objects_differ = true;
        let (first, last) = (oids.first().copied(), oids.last().copied());
        run.find(Finding::new(
            Severity::Warning,
            "large_objects_differ",
            format!(
                "among the large objects {} to {} at least one differs on the target or is missing",
                first.unwrap_or_default(),
                last.unwrap_or_default()
            ),
            "something else writes to the target; stop it, name them with `pghaul verify`, and begin again",
        ));
        Ok(())
    }

    /// None: somebody else is at it.
    async fn claim_of(&mut self, work: &Work) -> Result<Option<Claimed>, Error> {
        let run = self.run;
        let key = run.key(work);
        let claim = ClaimKey::of_task(&run.id, &key);
        self.open_target(Purpose::Write).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        Ok(match claim.try_take_step(target, &key).await? {
            None => None,
            Some(Some(result)) if run.learn(work, &result) => {
                claim.give_back(target).await?;
                Some(Claimed::Done)
            }
            Some(_) => Some(Claimed::Open(claim)),
        })
    }

    pub(super) async fn open_reader(&mut self) -> Result<&Session, Error> {
        if self.reader.as_ref().is_none_or(Session::is_closed) {
            let name = format!("{} {} read back", self.run.id, self.lane);
            let reader = self.run.target.connect(Purpose::Read, &name).await?;
            self.run.at_work.has(&self.lane, &reader);
            self.reader = Some(reader);
        }
        self.reader.as_ref().ok_or_else(lost)
    }

    /// None if the table is not read in slices, or one is not known here.
    fn sum_of_slices(&self, what: &ReadBack) -> Option<TableDigest> {
        let [table] = what.tables[..] else { return None };
        let facts = self.run.facts();
        let mut sum = TableDigest::default();
        for part in self.run.plan.parts_of(table) {
            sum.add(*facts.slices.get(&part.id)?);
        }
        Some(sum)
    }

    async fn forget_slices(&self, what: &ReadBack) -> Result<(), Error> {
        let run = self.run;
        let parts = what.tables.iter().flat_map(|table| run.plan.parts_of(*table));
        let steps: Vec<String> =
            parts.map(|part| literal(&run.key(&Work::ReadSlice(part.id)))).collect();
        let sql = format!("delete from pghaul.step where id in ({})", steps.join(", "));
        let target = self.target.as_ref().ok_or_else(lost)?;
        target.batch("forget what was read back", &sql).await
    }

    async fn name_differences(&mut self, what: &ReadBack) -> Result<Vec<Difference>, Error> {
        if self.run.origin.server().is_none() {
            return Ok(Vec::new());
        }
        self.open_source().await?;
        let (Some(source), Some(reader)) = (&self.source, &self.reader) else {
            return Err(lost());
        };
        let mut tables = what.tables.iter().map(|table| &self.run.plan.tables[*table]);
        let Some(first) = tables.next() else { return Ok(Vec::new()) };
        let others: Vec<_> = tables.collect();
        let (there, here) = (verify::on_source(first, &others), verify::on_target(first, what));
        let (counters, pace) = (&*self.run.transfer.counters, &Pace::new(None));
        let mut named = Vec::new();
        differences(
            Reading { session: source, table: &there, counters, pace },
            Reading { session: reader, table: &here, counters, pace },
            &Naming { limit: DIFFERENCES_NAMED, ..Naming::default() },
            &mut named,
        )
        .await?;
        Ok(named)
    }

    async fn note_read_back(
        &self,
        work: &Work,
        what: &ReadBack,
        digest: TableDigest,
    ) -> Result<(), Error> {
        let target = self.target.as_ref().ok_or_else(lost)?;
        let (object, result) = (what.name.to_string(), receipt_of(&digest));
        let sql = read_back_receipt(self.run, work, &object, &result);
        target.batch("note that a table was read back", &sql).await
    }
}

/// A task that nobody else is at.
enum Claimed {
    /// It was done already.
    Done,
    /// It is ours.
    Open(ClaimKey),
}
