//! Parts: the units of claiming, half-open ranges of blocks over one heap table.
//!
//! Invariants: both outer ends are open (`None`, never a sentinel number), so no row falls
//! outside; ends are blocks, so neither keys nor their distribution matter; sizes include TOAST.

use std::num::NonZeroUsize;

use crate::version::ServerVersion;

/// The place of a part in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub usize);

/// A half-open range of blocks of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place in the plan.
    pub id: PartId,
    /// The table's place in the plan.
    pub table: usize,
    /// The first block; none: from the beginning.
    pub from: Option<u32>,
    /// The first block behind it; none: to the end, whatever was added since the plan.
    pub until: Option<u32>,
    /// Its share of the table's bytes.
    pub bytes: u64,
}

/// What decides how finely tables are split.
#[derive(Debug, Clone, Copy)]
pub struct PartSizing {
    /// The source: before 14 a range of ctid is a scan of the whole table.
    pub source: ServerVersion,
    /// Readers that work at once.
    pub jobs: NonZeroUsize,
    /// Bytes of a part that the user asked for.
    pub part_size: Option<u64>,
    /// Bytes of a page of the source.
    pub block_size: u64,
}

/// A part's size where the user names none: large enough that its overhead vanishes, small
/// enough that a failure costs seconds.
const DEFAULT_PART_SIZE: u64 = 256 << 20;

/// Before 14 a table below this gets one reader: each further one scans the whole table too.
const ONE_READER_BELOW: u64 = 2 << 30;

impl PartSizing {
    /// How many parts a table of that many bytes is split into. Bounds: at least 1; before 14 at
    /// most one for each job, since each is a scan of the whole table.
    fn count(self, bytes: u64) -> u64 {
        let jobs = self.jobs.get() as u64;
        if self.source.at_least(14) {
            bytes.div_ceil(self.part_size.unwrap_or(DEFAULT_PART_SIZE).max(1)).max(1)
        } else {
            let size = self.part_size.unwrap_or(ONE_READER_BELOW).max(1);
            bytes.div_ceil(size).clamp(1, jobs)
        }
    }
}

/// Adds the parts of one table to `parts`.
pub(crate) fn split(
    parts: &mut Vec<Part>,
    table: usize,
    heap_bytes: u64,
    table_bytes: u64,
    splittable: bool,
    sizing: PartSizing,
) {
    let blocks = heap_bytes / sizing.block_size.max(1);
    let wanted = if splittable { sizing.count(table_bytes) } else { 1 };
    let count = wanted.min(blocks.max(1));
    let border = |at: u64| -> Option<u32> {
        // `count <= blocks`, so no two borders are equal and no part is empty by construction.
        (at > 0 && at < count).then(|| u32::try_from(blocks * at / count).unwrap_or(u32::MAX))
    };
    for at in 0..count {
        parts.push(Part {
            id: PartId(parts.len()),
            table,
            from: border(at),
            until: border(at + 1),
            bytes: table_bytes / count,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizing(num: u32, jobs: usize, part_size: Option<u64>) -> PartSizing {
        PartSizing {
            source: ServerVersion::from_num(num),
            jobs: NonZeroUsize::new(jobs).unwrap(),
            part_size,
            block_size: 8192,
        }
    }

    #[test]
    fn old_servers_get_few_readers() {
        let mut parts = Vec::new();
        split(&mut parts, 0, 1 << 30, 1 << 30, true, sizing(90_624, 4, None));
        assert_eq!(parts.len(), 1);
        parts.clear();
        split(&mut parts, 0, 100 << 30, 100 << 30, true, sizing(130_000, 4, None));
        assert_eq!(parts.len(), 4);
        parts.clear();
        split(&mut parts, 0, 1 << 30, 1 << 30, true, sizing(140_000, 4, None));
        assert_eq!(parts.len(), 4);
    }

    proptest! {
        #[test]
        fn parts_cover_every_block_once_and_are_balanced(
            blocks in 0u64..5_000_000,
            toast in 0u64..1 << 40,
            part_size in proptest::option::of(1u64..1 << 34),
            jobs in 1usize..64,
            old in any::<bool>(),
        ) {
            let mut parts = Vec::new();
            let num = if old { 90_624 } else { 180_000 };
            // A small cap keeps the test quick; the count itself is not what it is about.
            let part_size = part_size.map(|size| size.max((blocks * 8192 + toast) / 10_000 + 1));
            split(&mut parts, 7, blocks * 8192, blocks * 8192 + toast, true, sizing(num, jobs, part_size));
            prop_assert_eq!(parts.first().and_then(|part| part.from), None);
            prop_assert_eq!(parts.last().and_then(|part| part.until), None);
            for pair in parts.windows(2) {
                prop_assert_eq!(pair[0].until, pair[1].from);
                prop_assert!(pair[0].from.unwrap_or(0) < pair[0].until.unwrap_or(0));
            }
            if parts.len() > 1 {
                let average = blocks as f64 / parts.len() as f64;
                for part in &parts {
                    let from = u64::from(part.from.unwrap_or(0));
                    let until = part.until.map_or(blocks, u64::from);
                    prop_assert!((until - from) as f64 <= average + 1.0);
                }
            }
        }
    }
}
