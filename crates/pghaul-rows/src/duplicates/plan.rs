//! How the memory budget is divided.

use super::{FinderError, MIN_BUDGET};

/// What is there once, whatever the number of rows: the structures themselves, names of files.
const FIXED_BYTES: usize = 16 << 10;

/// A run that is merged needs its place in the heap and a cursor beside its buffer.
const CURSOR_BYTES: usize = 192;

/// A buffer below this makes reading slow: rather merge in steps.
const SHORTEST_READ: usize = 8 << 10;

/// A buffer above this gains nothing.
const LONGEST_READ: usize = 1 << 20;

/// How many records are held where. Records are all of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Records sorted in memory: those of a run.
    pub(super) run_records: usize,
    /// Runs that are merged at once, at most; at least two.
    pub(super) fan_in: usize,
    /// For all buffers of a merge.
    pub(super) merge_bytes: usize,
    pub(super) record_bytes: usize,
}

impl Plan {
    pub(super) fn new(budget: usize, record_bytes: usize) -> Result<Self, FinderError> {
        if budget < MIN_BUDGET {
            return Err(FinderError::BudgetTooSmall { given: budget });
        }
        // No allocation can be larger than isize.
        let bytes = budget.min(isize::MAX.unsigned_abs()) - FIXED_BYTES;
        Ok(Self {
            run_records: bytes / record_bytes,
            // One more for the output of a step.
            fan_in: bytes / (SHORTEST_READ + CURSOR_BYTES) - 1,
            merge_bytes: bytes,
            record_bytes,
        })
    }

    /// How many of these runs, too many to be merged at once, a step makes one run of: no more
    /// than needed, since the fewer they are, the larger their buffers.
    pub(super) fn runs_in_step(&self, runs: u64) -> u64 {
        let fan_in = self.fan_in as u64;
        runs.div_ceil(fan_in).min(fan_in)
    }

    /// Records in each of so many buffers.
    pub(super) fn buffer_records(&self, buffers: usize) -> usize {
        let bytes = (self.merge_bytes / buffers.max(1)).saturating_sub(CURSOR_BYTES);
        (bytes.min(LONGEST_READ) / self.record_bytes).max(1)
    }

    /// The largest size of the temporary files.
    pub(super) fn spill_bytes(&self, rows: u64) -> u64 {
        let run_records = self.run_records as u64;
        if rows <= run_records {
            return 0;
        }
        let in_steps = rows.div_ceil(run_records) > self.fan_in as u64;
        let copies = if in_steps { 2 } else { 1 };
        rows.saturating_mul(self.record_bytes as u64 * copies)
    }
}
