//! Records by the first bits of their keys: in memory as long as they fit, else in a file.
//!
//! Memory is one pool of pages. Each partition fills a page after the other; when no page is left,
//! the partition that has the most gives its full ones to the file, as one extent. An extent begins
//! with a record that says where the partition's extent before it lies, so nothing is kept in memory
//! for what is in the file. In the end the partitions are read one after another, each sorted in
//! memory.
//!
//! Why not sorted runs and a merge of them: a partition of some megabytes is sorted faster than all
//! is merged, and while rows come nothing takes longer than writing an extent. And in memory the
//! records that are alone are let go before the rest is sorted.
//!
//! Invariants: a record is written once and read once, unless those of its partition alone are more
//! than the memory holds, which a [`Sorter`] then puts in order; a failed write loses nothing.

use std::path::PathBuf;

use super::FinderError;
use super::plan::Plan;
use super::sieve::sift;
use super::sorter::{Sorted, Sorter, compare};
use super::spill::Spill;

/// No page.
const NONE: u32 = u32::MAX;

/// Takes records in any order.
#[derive(Debug)]
pub(super) struct Partitions<const N: usize> {
    plan: Plan,
    folder: PathBuf,
    /// Pages that were used so far; it never grows beyond what was reserved at the first record.
    pool: Vec<[u8; N]>,
    /// For each page the one before it, in its partition or among the free ones.
    before: Vec<u32>,
    free: u32,
    partitions: Vec<Partition>,
    spill: Option<Spill<N>>,
}

/// The records whose keys begin with the same bits.
#[derive(Debug, Clone, Copy)]
struct Partition {
    /// Where in the pool the next record goes.
    at: usize,
    /// Where the page ends that is being filled.
    end: usize,
    /// That page.
    page: u32,
    /// Pages that it has.
    pages: u32,
    chain: Chain,
}

/// What a partition has in the file: its last extent, which leads to the one before.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    /// The number of the first record of the last extent.
    first: u64,
    /// Records of the last extent; 0 if there is none.
    length: u64,
    /// Records of all.
    records: u64,
}

impl<const N: usize> Partitions<N> {
    pub(super) fn new(plan: Plan, folder: PathBuf) -> Self {
        let empty = Partition { at: 0, end: 0, page: NONE, pages: 0, chain: Chain::default() };
        Self {
            plan,
            folder,
            pool: Vec::new(),
            before: Vec::new(),
            free: NONE,
            partitions: vec![empty; 1 << plan.partition_bits],
            spill: None,
        }
    }

    /// With a file that is there already.
    #[cfg(test)]
    pub(super) fn over(plan: Plan, spill: Spill<N>, folder: &std::path::Path) -> Self {
        Self { spill: Some(spill), ..Self::new(plan, folder.to_path_buf()) }
    }

    pub(super) fn push(&mut self, record: [u8; N]) -> Result<(), FinderError> {
        let first = record.first().copied().unwrap_or_default();
        let number = usize::from(first) >> (8 - self.plan.partition_bits);
        if self.partitions[number].at == self.partitions[number].end {
            self.next_page(number)?;
        }
        let partition = &mut self.partitions[number];
        self.pool[partition.at] = record;
        partition.at += 1;
        Ok(())
    }

    pub(super) fn spilled_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::bytes)
    }

    /// All records in order that may be equal to others.
    pub(super) fn finish(mut self) -> Result<Ordered<N>, FinderError> {
        if self.spill.is_none() {
            return Ok(Ordered::Memory(self.sorted().into_iter()));
        }
        for number in 0..self.partitions.len() {
            self.spill_partition(number, Pages::All)?;
        }
        let Self { plan, folder, partitions, spill, .. } = self;
        match spill {
            Some(spill) => Ok(Ordered::File(Box::new(InFile {
                plan,
                folder,
                spill,
                chains: partitions.iter().map(|partition| partition.chain).collect(),
                next: 0,
                buffer: Vec::new(),
                at: 0,
                crowd: None,
            }))),
            None => Ok(Ordered::Memory(Vec::new().into_iter())),
        }
    }

    /// Gives a partition a page to fill.
    fn next_page(&mut self, number: usize) -> Result<(), FinderError> {
        let page = match self.take_page()? {
            Some(page) => page,
            None => {
                let fullest = (0..self.partitions.len()).max_by_key(|at| self.full_pages(*at));
                self.spill_partition(fullest.unwrap_or(number), Pages::Full)?;
                let bytes = self.plan.page_records * N;
                self.take_page()?.ok_or(FinderError::Memory { bytes })?
            }
        };
        let partition = &mut self.partitions[number];
        self.before[index(page)] = partition.page;
        partition.page = page;
        partition.pages += 1;
        partition.at = index(page) * self.plan.page_records;
        partition.end = partition.at + self.plan.page_records;
        Ok(())
    }

    /// A page that nobody uses.
    fn take_page(&mut self) -> Result<Option<u32>, FinderError> {
        if self.free != NONE {
            let page = self.free;
            self.free = self.before[index(page)];
            return Ok(Some(page));
        }
        let Plan { pages, page_records, .. } = self.plan;
        if self.before.len() == pages {
            return Ok(None);
        }
        if self.pool.capacity() == 0 {
            let records = pages * page_records;
            let reserved = self.pool.try_reserve_exact(records);
            reserved.map_err(|_| FinderError::Memory { bytes: records * N })?;
            self.before.reserve_exact(pages);
        }
        let page = u32::try_from(self.before.len()).unwrap_or(NONE);
        self.pool.resize(self.pool.len() + page_records, [0; N]);
        self.before.push(NONE);
        Ok(Some(page))
    }

    fn full_pages(&self, number: usize) -> u32 {
        let partition = &self.partitions[number];
        partition.pages - u32::from(partition.at < partition.end)
    }

    /// Writes the pages of a partition as one extent and frees them.
    fn spill_partition(&mut self, number: usize, which: Pages) -> Result<(), FinderError> {
        let partition = self.partitions[number];
        let is_partial = partition.at < partition.end;
        let keeps_last = is_partial && which == Pages::Full;
        let newest = match keeps_last {
            true => self.before[index(partition.page)],
            false => partition.page,
        };
        if newest == NONE {
            return Ok(());
        }
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::create(&self.folder)?),
        };
        spill.append(&[partition.chain.header()])?;
        let first = spill.records();
        let page_records = self.plan.page_records;
        let (mut page, mut oldest) = (newest, newest);
        while page != NONE {
            let begin = index(page) * page_records;
            let is_last = page == partition.page;
            let end = if is_last { partition.at } else { begin + page_records };
            spill.append(&self.pool[begin..end])?;
            oldest = page;
            page = self.before[index(page)];
        }
        let length = spill.records() - first;
        self.before[index(oldest)] = self.free;
        self.free = newest;
        let partition = &mut self.partitions[number];
        let records = partition.chain.records + length;
        partition.chain = Chain { first, length, records };
        if keeps_last {
            self.before[index(partition.page)] = NONE;
            partition.pages = 1;
        } else {
            *partition = Partition { at: 0, end: 0, page: NONE, pages: 0, chain: partition.chain };
        }
        Ok(())
    }

    /// The records of the pool in order, without most of those that are alone; nothing was spilled.
    fn sorted(self) -> Vec<[u8; N]> {
        let Self { mut pool, partitions, plan, .. } = self;
        // Close the gaps at the ends of pages that are not full.
        let mut gaps: Vec<(usize, usize)> = partitions
            .iter()
            .filter(|partition| partition.at < partition.end)
            .map(|partition| (partition.at, partition.end))
            .collect();
        gaps.sort_unstable();
        gaps.push((pool.len(), pool.len()));
        let mut kept = gaps.first().map_or(0, |gap| gap.0);
        for gap in gaps.windows(2) {
            let rest = gap[0].1..gap[1].0;
            let length = rest.len();
            pool.copy_within(rest, kept);
            kept += length;
        }
        debug_assert!(pool.len() - kept < plan.page_records << plan.partition_bits);
        pool.truncate(kept);
        pool.shrink_to_fit();
        let spare = plan.memory.saturating_sub(pool.capacity() * N);
        sift(&mut pool, spare);
        pool.sort_unstable_by(compare);
        pool
    }
}

/// Which pages of a partition are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    /// Those that are full.
    Full,
    /// All.
    All,
}

fn index(page: u32) -> usize {
    usize::try_from(page).unwrap_or(usize::MAX)
}

impl Chain {
    /// The record before an extent.
    fn header<const N: usize>(self) -> [u8; N] {
        let mut header = [0; N];
        let words = [self.first.to_be_bytes(), self.length.to_be_bytes()];
        for (byte, value) in header.iter_mut().zip(words.as_flattened()) {
            *byte = *value;
        }
        header
    }

    /// Goes on to the extent before the last; what is counted are the records that are left.
    fn back<const N: usize>(&mut self, spill: &mut Spill<N>) -> Result<(), FinderError> {
        let mut header = [[0; N]];
        spill.read(self.first - 1, &mut header)?;
        let [header] = header;
        let word = |at: usize| header.get(at..).and_then(|rest| rest.first_chunk().copied());
        self.records -= self.length;
        self.first = u64::from_be_bytes(word(0).unwrap_or_default());
        self.length = u64::from_be_bytes(word(8).unwrap_or_default());
        Ok(())
    }
}

/// Records in order.
#[derive(Debug)]
pub(super) enum Ordered<const N: usize> {
    Memory(std::vec::IntoIter<[u8; N]>),
    File(Box<InFile<N>>),
}

impl<const N: usize> Ordered<N> {
    pub(super) fn next(&mut self) -> Result<Option<[u8; N]>, FinderError> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::File(file) => file.next(),
        }
    }
}

/// The partitions of a file, one after another.
#[derive(Debug)]
pub(super) struct InFile<const N: usize> {
    plan: Plan,
    folder: PathBuf,
    spill: Spill<N>,
    chains: Vec<Chain>,
    /// The partition that comes next.
    next: usize,
    /// The present one, in order.
    buffer: Vec<[u8; N]>,
    /// The next record of the buffer.
    at: usize,
    /// The present one, if it is more than the memory holds.
    crowd: Option<Sorted<N>>,
}

impl<const N: usize> InFile<N> {
    #[cfg(test)]
    pub(super) fn spilled_bytes(&self) -> u64 {
        self.spill.bytes()
    }

    fn next(&mut self) -> Result<Option<[u8; N]>, FinderError> {
        loop {
            if let Some(record) = self.buffer.get(self.at) {
                self.at += 1;
                return Ok(Some(*record));
            }
            if let Some(crowd) = &mut self.crowd {
                if let Some(record) = crowd.next()? {
                    return Ok(Some(record));
                }
                self.crowd = None;
            }
            let Some(chain) = self.chains.get(self.next).copied() else { return Ok(None) };
            self.next += 1;
            self.at = 0;
            self.load(chain)?;
        }
    }

    fn load(&mut self, mut chain: Chain) -> Result<(), FinderError> {
        self.buffer.clear();
        match usize::try_from(chain.records) {
            Ok(records) if records <= self.plan.run_records => {
                if records > self.buffer.capacity() {
                    // Never two buffers at once.
                    self.buffer = Vec::new();
                    let reserved = self.buffer.try_reserve_exact(records);
                    reserved.map_err(|_| FinderError::Memory { bytes: records * N })?;
                }
                self.buffer.resize(records, [0; N]);
                let mut rest = self.buffer.as_mut_slice();
                while chain.length > 0 {
                    let length = usize::try_from(chain.length).unwrap_or(usize::MAX);
                    let (extent, after) = rest.split_at_mut(length.min(rest.len()));
                    self.spill.read(chain.first, extent)?;
                    rest = after;
                    chain.back(&mut self.spill)?;
                }
                let spare = self.plan.memory.saturating_sub(self.buffer.capacity() * N);
                sift(&mut self.buffer, spare);
                self.buffer.sort_unstable_by(compare);
            }
            _ => {
                self.buffer = Vec::new();
                self.crowd = Some(self.sort_crowd(chain)?);
            }
        }
        Ok(())
    }

    /// Sorts a partition that is more than the memory holds, with a file of its own.
    fn sort_crowd(&mut self, mut chain: Chain) -> Result<Sorted<N>, FinderError> {
        let mut sorter = Sorter::new(self.plan, self.folder.clone());
        let mut piece = [[0; N]; 128];
        while chain.length > 0 {
            let end = chain.first + chain.length;
            let mut from = chain.first;
            while from < end {
                let records = usize::try_from(end - from).unwrap_or(usize::MAX).min(piece.len());
                self.spill.read(from, &mut piece[..records])?;
                for record in &piece[..records] {
                    sorter.push(*record)?;
                }
                from += records as u64;
            }
            chain.back(&mut self.spill)?;
        }
        sorter.finish()
    }
}
