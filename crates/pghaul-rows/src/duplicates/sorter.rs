//! Sorts records that come in any order and are all of one partition: in memory as long as they fit,
//! else as runs in a file.

use std::cmp::Ordering;
use std::path::PathBuf;

use super::FinderError;
use super::merge::Merge;
use super::plan::Plan;
use super::spill::Spill;

/// By bytes. Digests differ in their first eight nearly always, so these are compared as a number.
pub(super) fn compare<const N: usize>(left: &[u8; N], right: &[u8; N]) -> Ordering {
    prefix(left).cmp(&prefix(right)).then_with(|| left[8..].cmp(&right[8..]))
}

fn prefix<const N: usize>(record: &[u8; N]) -> u64 {
    u64::from_be_bytes(record.first_chunk().copied().unwrap_or_default())
}

/// Takes records in any order.
#[derive(Debug)]
pub(super) struct Sorter<const N: usize> {
    plan: Plan,
    folder: PathBuf,
    /// The run that is being filled. All runs have the same length, apart from the last.
    run: Vec<[u8; N]>,
    spill: Option<Spill<N>>,
}

/// Records in order.
#[derive(Debug)]
pub(super) enum Sorted<const N: usize> {
    Memory(std::vec::IntoIter<[u8; N]>),
    File(Merge<N>),
}

impl<const N: usize> Sorter<N> {
    pub(super) fn new(plan: Plan, folder: PathBuf) -> Self {
        Self { plan, folder, run: Vec::new(), spill: None }
    }

    pub(super) fn push(&mut self, record: [u8; N]) -> Result<(), FinderError> {
        if self.run.len() == self.run.capacity() {
            self.make_room()?;
        }
        self.run.push(record);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Sorted<N>, FinderError> {
        if self.spill.is_none() {
            self.run.sort_unstable_by(compare);
            return Ok(Sorted::Memory(self.run.into_iter()));
        }
        self.spill_run()?;
        // The memory is for the merge from here on.
        self.run = Vec::new();
        match self.spill {
            Some(spill) => Merge::of_runs(self.plan, spill).map(Sorted::File),
            None => Ok(Sorted::Memory(Vec::new().into_iter())),
        }
    }

    /// The buffer is full, or not there yet.
    fn make_room(&mut self) -> Result<(), FinderError> {
        if self.run.capacity() > 0 {
            return self.spill_run();
        }
        let records = self.plan.run_records;
        self.run.try_reserve_exact(records).map_err(|_| FinderError::Memory { bytes: records * N })
    }

    fn spill_run(&mut self) -> Result<(), FinderError> {
        self.run.sort_unstable_by(compare);
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::create(&self.folder)?),
        };
        spill.append(&self.run)?;
        self.run.clear();
        Ok(())
    }
}

impl<const N: usize> Sorted<N> {
    pub(super) fn next(&mut self) -> Result<Option<[u8; N]>, FinderError> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::File(merge) => merge.next(),
        }
    }
}
