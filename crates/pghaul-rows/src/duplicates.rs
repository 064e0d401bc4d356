//! Finds every group of equal digests in bounded memory.
//!
//! What is pushed is kept in memory as long as it fits the budget; then partitions of it, by the
//! first bits of the digests, go to a temporary file, and are sorted one after another while the
//! groups are read. So the order in which rows come, how they are spread, or one group that holds all
//! of them change nothing: the memory stays below the budget. Each row is written once and read once,
//! and once more if its partition alone does not fit the budget.
//!
//! Invariants: all memory that depends on the number of rows is within the budget; groups come in
//! the order of their digests, members in the order of relation and ctid, whatever the order in
//! which they were pushed; the file holds digests and ctids only, and nothing of it is left behind
//! when the process ends in whatever way.

mod grouping;
mod merge;
pub mod pairing;
mod partitions;
mod plan;
mod sieve;
mod sorter;
mod spill;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::key::KeyDigest;
use crate::tid::Tid;
use grouping::Grouping;
use partitions::Partitions;
use plan::Plan;

/// The smallest budget, in bytes. 64 MiB are good for any table.
pub const MIN_BUDGET: usize = 1 << 20;

/// Digest and ctid.
const ONE: usize = 22;

/// Digest, relation and ctid.
const MANY: usize = 26;

/// Whether the rows of a finder lie in one relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relations {
    /// In one: the tag is not kept, and comes back as 0. 22 bytes for each row.
    One,
    /// In many, a partition tree: the tag tells which. 26 bytes for each row.
    Many,
}

impl Relations {
    const fn record_bytes(self) -> usize {
        match self {
            Self::One => ONE,
            Self::Many => MANY,
        }
    }
}

/// A row: what a group consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The caller's tag for the relation, such as its OID.
    pub relation: u32,
    /// Where in the relation the row lies.
    pub tid: Tid,
}

/// Takes the digests of keys, one for each row, and gives the groups of equal ones.
///
/// ```
/// use pghaul_rows::duplicates::{DuplicateFinder, Member, Relations};
/// use pghaul_rows::{KeyDigest, Tid};
///
/// let row = |offset| Member { relation: 0, tid: Tid { block: 7, offset } };
/// let mut finder = DuplicateFinder::new(Relations::One, 64 << 20, std::env::temp_dir())?;
/// finder.push(KeyDigest([1, 1]), row(3))?;
/// finder.push(KeyDigest([2, 2]), row(2))?;
/// finder.push(KeyDigest([1, 1]), row(1))?;
///
/// let mut groups = finder.finish()?;
/// let mut group = groups.next_group()?.unwrap();
/// assert_eq!(group.key(), KeyDigest([1, 1]));
/// assert_eq!(group.next_member()?, Some(row(1)));
/// assert_eq!(group.next_member()?, Some(row(3)));
/// assert_eq!(group.next_member()?, None);
/// assert!(groups.next_group()?.is_none());
/// # Ok::<(), pghaul_rows::duplicates::FinderError>(())
/// ```
#[derive(Debug)]
pub struct DuplicateFinder(Taken);

#[derive(Debug)]
enum Taken {
    One(Partitions<ONE>),
    Many(Partitions<MANY>),
}

impl DuplicateFinder {
    /// A finder that needs at most `budget` bytes of memory, and for what does not fit them a
    /// file without a name in `folder`: see [`spill_bytes`]. The memory is reserved at the first
    /// row, and comes into use as it is filled.
    pub fn new(
        relations: Relations,
        budget: usize,
        folder: impl Into<PathBuf>,
    ) -> Result<Self, FinderError> {
        let plan = Plan::new(budget, relations.record_bytes())?;
        let folder = folder.into();
        Ok(Self(match relations {
            Relations::One => Taken::One(Partitions::new(plan, folder)),
            Relations::Many => Taken::Many(Partitions::new(plan, folder)),
        }))
    }

    /// Adds a row. One that is added again counts once.
    ///
    /// Most calls take nanoseconds; one that finds the memory full writes a small part of it.
    pub fn push(&mut self, key: KeyDigest, row: Member) -> Result<(), FinderError> {
        match &mut self.0 {
            Taken::One(taken) => taken.push(one(key, row)),
            Taken::Many(taken) => taken.push(many(key, row)),
        }
    }

    /// All rows were added: finds the groups.
    pub fn finish(self) -> Result<Groups, FinderError> {
        Ok(Groups(match self.0 {
            Taken::One(taken) => AnyGrouping::One(Grouping::new(taken.finish()?)),
            Taken::Many(taken) => AnyGrouping::Many(Grouping::new(taken.finish()?)),
        }))
    }

    /// Bytes in the temporary file so far.
    pub fn spilled_bytes(&self) -> u64 {
        match &self.0 {
            Taken::One(taken) => taken.spilled_bytes(),
            Taken::Many(taken) => taken.spilled_bytes(),
        }
    }
}

/// The groups of two or more rows with equal digests, one after another.
#[derive(Debug)]
pub struct Groups(AnyGrouping);

#[derive(Debug)]
enum AnyGrouping {
    One(Grouping<ONE>),
    Many(Grouping<MANY>),
}

impl Groups {
    /// The next group; what was not taken of the one before is passed over.
    pub fn next_group(&mut self) -> Result<Option<Group<'_>>, FinderError> {
        let key = match &mut self.0 {
            AnyGrouping::One(grouping) => grouping.next_group()?,
            AnyGrouping::Many(grouping) => grouping.next_group()?,
        };
        let Some(key) = key else { return Ok(None) };
        Ok(Some(Group { key: KeyDigest::from_be_bytes(key), groups: self }))
    }
}

/// A group of two or more rows with equal digests. It can hold every row of a table, so its
/// members come one by one.
#[derive(Debug)]
pub struct Group<'a> {
    key: KeyDigest,
    groups: &'a mut Groups,
}

impl Group<'_> {
    /// The digest that all members have.
    pub fn key(&self) -> KeyDigest {
        self.key
    }

    /// The next member, in the order of relation and ctid.
    pub fn next_member(&mut self) -> Result<Option<Member>, FinderError> {
        Ok(match &mut self.groups.0 {
            AnyGrouping::One(grouping) => grouping.next_member()?.map(member_of_one),
            AnyGrouping::Many(grouping) => grouping.next_member()?.map(member_of_many),
        })
    }
}

/// How large the temporary file will be at most: 0 if all rows fit the budget; 22 or 26 bytes for
/// each row otherwise, and a thousandth more. Rows of one partition (a 128th of the digests) that
/// alone do not fit the budget need their place twice: of tables with hundreds of millions of rows
/// one partition at a time, which is counted here; and millions of rows with one key, which is not,
/// since nobody can know of them before.
pub fn spill_bytes(relations: Relations, rows: u64, budget: usize) -> Result<u64, FinderError> {
    Ok(Plan::new(budget, relations.record_bytes())?.spill_bytes(rows))
}

// Big-endian, so that records sort as their bytes do.

fn one(key: KeyDigest, row: Member) -> [u8; ONE] {
    let mut record = [0; ONE];
    record[..16].copy_from_slice(&key.to_be_bytes());
    record[16..].copy_from_slice(&row.tid.to_be_bytes());
    record
}

fn member_of_one(record: [u8; ONE]) -> Member {
    let [.., a, b, c, d, e, f] = record;
    Member { relation: 0, tid: Tid::from_be_bytes([a, b, c, d, e, f]) }
}

fn many(key: KeyDigest, row: Member) -> [u8; MANY] {
    let mut record = [0; MANY];
    record[..16].copy_from_slice(&key.to_be_bytes());
    record[16..20].copy_from_slice(&row.relation.to_be_bytes());
    record[20..].copy_from_slice(&row.tid.to_be_bytes());
    record
}

fn member_of_many(record: [u8; MANY]) -> Member {
    let [.., r, s, t, u, a, b, c, d, e, f] = record;
    let relation = u32::from_be_bytes([r, s, t, u]);
    Member { relation, tid: Tid::from_be_bytes([a, b, c, d, e, f]) }
}

/// Why duplicates cannot be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinderError {
    /// Below [`MIN_BUDGET`].
    #[error("a memory budget of {given} bytes is too small: at least {MIN_BUDGET} are needed")]
    BudgetTooSmall {
        /// The budget as given.
        given: usize,
    },
    /// The machine does not give the memory that the budget allows.
    #[error("cannot reserve {bytes} bytes of memory; give a smaller budget")]
    Memory {
        /// How much was asked for.
        bytes: usize,
    },
    /// The temporary file failed; [`FinderError::is_disk_full`] tells whether it is for space.
    #[error("cannot {doing} the temporary file in {}, which has {bytes} bytes", folder.display())]
    Spill {
        /// `create`, `write` or `read`.
        doing: &'static str,
        /// Where the file is.
        folder: PathBuf,
        /// How large it was.
        bytes: u64,
        /// What the system says.
        source: std::io::Error,
    },
}

impl FinderError {
    /// The temporary file has reached the limit that the system sets this process: `ulimit -f`, or
    /// what the file system takes.
    pub fn is_file_too_large(&self) -> bool {
        matches!(self, Self::Spill { source, .. } if source.kind() == std::io::ErrorKind::FileTooLarge)
    }

    /// There was no space left for the temporary file: on the disk, or in the user's quota.
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Spill { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}
