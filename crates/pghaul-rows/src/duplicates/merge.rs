//! Merges the runs of a file.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

use super::FinderError;
use super::plan::Plan;
use super::sorter::compare;
use super::spill::Spill;

/// Gives the records of several runs in order.
#[derive(Debug)]
pub(super) struct Merge<const N: usize> {
    spill: Spill<N>,
    cursors: Vec<Cursor<N>>,
    /// The next record of each run that has one.
    heads: BinaryHeap<Head<N>>,
}

/// What is left of a run.
#[derive(Debug)]
struct Cursor<const N: usize> {
    buffer: Vec<[u8; N]>,
    /// The next record in the buffer.
    next: usize,
    /// Records in the file that were not read yet.
    unread: Range<u64>,
}

#[derive(Debug)]
struct Head<const N: usize> {
    record: [u8; N],
    cursor: usize,
}

impl<const N: usize> Merge<N> {
    /// Merges all runs of a file, each as long as the plan says, apart from the last. If they are
    /// too many, they are first merged to longer ones.
    pub(super) fn of_runs(plan: Plan, mut spill: Spill<N>) -> Result<Self, FinderError> {
        let mut run_records = plan.run_records as u64;
        loop {
            let runs = spill.records().div_ceil(run_records);
            if runs <= plan.fan_in as u64 {
                let all = 0..spill.records();
                let buffers = usize::try_from(runs).unwrap_or(usize::MAX);
                return Self::of_range(spill, all, run_records, plan.buffer_records(buffers));
            }
            let longer = run_records.saturating_mul(plan.runs_in_step(runs));
            spill = lengthen(plan, spill, run_records, longer)?;
            run_records = longer;
        }
    }

    fn of_range(
        spill: Spill<N>,
        records: Range<u64>,
        run_records: u64,
        buffer_records: usize,
    ) -> Result<Self, FinderError> {
        let runs = (records.end - records.start).div_ceil(run_records);
        let runs = usize::try_from(runs).unwrap_or(usize::MAX);
        let mut merge = Self {
            spill,
            cursors: Vec::with_capacity(runs),
            heads: BinaryHeap::with_capacity(runs),
        };
        let mut start = records.start;
        while start < records.end {
            let end = records.end.min(start + run_records);
            let buffer = Vec::with_capacity(buffer_records);
            let mut cursor = Cursor { buffer, next: 0, unread: start..end };
            if let Some(record) = cursor.next(&mut merge.spill)? {
                merge.heads.push(Head { record, cursor: merge.cursors.len() });
            }
            merge.cursors.push(cursor);
            start = end;
        }
        Ok(merge)
    }

    pub(super) fn next(&mut self) -> Result<Option<[u8; N]>, FinderError> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let record = head.record;
        let next = match self.cursors.get_mut(head.cursor) {
            Some(cursor) => cursor.next(&mut self.spill)?,
            None => None,
        };
        match next {
            Some(next) => head.record = next,
            None => {
                PeekMut::pop(head);
            }
        }
        Ok(Some(record))
    }
}

/// Merges groups of runs to runs of the length `longer`, in a file of its own.
fn lengthen<const N: usize>(
    plan: Plan,
    mut spill: Spill<N>,
    run_records: u64,
    longer: u64,
) -> Result<Spill<N>, FinderError> {
    let mut output = Spill::create(spill.folder())?;
    let runs = usize::try_from(longer.div_ceil(run_records)).unwrap_or(usize::MAX);
    let buffer_records = plan.buffer_records(runs.saturating_add(1));
    let mut buffer = Vec::with_capacity(buffer_records);
    let all = spill.records();
    let mut start = 0;
    while start < all {
        let end = all.min(start.saturating_add(longer));
        let mut merge = Merge::of_range(spill, start..end, run_records, buffer_records)?;
        while let Some(record) = merge.next()? {
            buffer.push(record);
            if buffer.len() == buffer_records {
                output.append(&buffer)?;
                buffer.clear();
            }
        }
        spill = merge.spill;
        start = end;
    }
    output.append(&buffer)?;
    Ok(output)
}

impl<const N: usize> Cursor<N> {
    fn next(&mut self, spill: &mut Spill<N>) -> Result<Option<[u8; N]>, FinderError> {
        if self.next == self.buffer.len() {
            let left = self.unread.end - self.unread.start;
            let records = left.min(self.buffer.capacity() as u64);
            self.buffer.resize(usize::try_from(records).unwrap_or(0), [0; N]);
            spill.read(self.unread.start, &mut self.buffer)?;
            self.unread.start += records;
            self.next = 0;
        }
        let record = self.buffer.get(self.next).copied();
        self.next += usize::from(record.is_some());
        Ok(record)
    }
}

/// The smallest record is the greatest head: the heap gives the greatest.
impl<const N: usize> Ord for Head<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&other.record, &self.record)
    }
}

impl<const N: usize> PartialOrd for Head<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> PartialEq for Head<N> {
    fn eq(&self, other: &Self) -> bool {
        self.record == other.record
    }
}

impl<const N: usize> Eq for Head<N> {}
