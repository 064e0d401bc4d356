//! How the memory budget is divided.

use super::{FinderError, MIN_BUDGET};

/// What is there once, whatever the number of rows: the structures themselves, names of files, eight
/// bytes for each partition's place and a few for each page.
const FIXED_BYTES: usize = 32 << 10;

/// Partitions are told apart by this many bits of a key's digest.
const PARTITION_BITS: u32 = 7;

/// Pages of the pool, if they are not too short then.
const PAGES: usize = 2048;

/// Records of a page, at least.
const SHORTEST_PAGE: usize = 32;

/// A run that is merged needs its place in the heap and a cursor beside its buffer.
const CURSOR_BYTES: usize = 192;

/// A buffer below this makes reading slow: rather merge in steps.
const SHORTEST_READ: usize = 8 << 10;

/// A buffer above this gains nothing.
const LONGEST_READ: usize = 1 << 20;

/// How many records are held where. Records are all of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Partitions, as bits of the key that tell them apart.
    pub(super) partition_bits: u32,
    /// Pages of the pool: at least one for each partition, and one more.
    pub(super) pages: usize,
    /// Records of a page.
    pub(super) page_records: usize,
    /// Records sorted in memory: a partition, or a run of one that is larger.
    pub(super) run_records: usize,
    /// Runs that are merged at once, at most; at least two.
    pub(super) fan_in: usize,
    /// For all that grows with the rows.
    pub(super) memory: usize,
    pub(super) record_bytes: usize,
}

impl Plan {
    pub(super) fn new(budget: usize, record_bytes: usize) -> Result<Self, FinderError> {
        if budget < MIN_BUDGET {
            return Err(FinderError::BudgetTooSmall { given: budget });
        }
        // No allocation can be larger than isize.
        let bytes = budget.min(isize::MAX.unsigned_abs()) - FIXED_BYTES;
        let run_records = bytes / record_bytes;
        let page_records = (run_records / PAGES).max(SHORTEST_PAGE);
        Ok(Self {
            partition_bits: PARTITION_BITS,
            pages: run_records / page_records,
            page_records,
            run_records,
            // One more for the output of a step.
            fan_in: bytes / (SHORTEST_READ + CURSOR_BYTES) - 1,
            memory: bytes,
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
        let bytes = (self.memory / buffers.max(1)).saturating_sub(CURSOR_BYTES);
        (bytes.min(LONGEST_READ) / self.record_bytes).max(1)
    }

    /// The size of the temporary files, unless keys crowd in a few partitions.
    pub(super) fn spill_bytes(&self, rows: u64) -> u64 {
        let partitions = 1_u64 << self.partition_bits;
        let spare = self.pages as u64 - partitions;
        let page_records = self.page_records as u64;
        // When the pool is full, every partition but one may have begun a page.
        if rows <= spare * page_records {
            return 0;
        }
        // What is written at once is at least the fair share of a partition.
        let extent = (spare / partitions).max(1) * page_records;
        let headers = rows / extent + partitions;
        let in_one = rows / partitions;
        let sorted_apart =
            if in_one > self.run_records as u64 { self.crowd_records(in_one) } else { 0 };
        (rows + headers + sorted_apart).saturating_mul(self.record_bytes as u64)
    }

    /// Records in files while a partition is sorted that is more than the memory holds.
    fn crowd_records(&self, records: u64) -> u64 {
        let in_steps = records.div_ceil(self.run_records as u64) > self.fan_in as u64;
        if in_steps { records.saturating_mul(2) } else { records }
    }
}
