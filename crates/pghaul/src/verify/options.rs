//! What a comparison is asked to do.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::difference::Values;
use crate::error::Error;
use crate::run::options::jobs_within;
use crate::schema::compare::Compared;

/// How much of the rows is compared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Depth {
    /// Every row, by count and digest.
    #[default]
    Full,
    /// Rows are counted, no more.
    Rows,
    /// Rows are counted, and of this share of them, greater than 0 and at most 1, the digests are
    /// compared. The digest of its key decides about a row, so both sides take the same ones. It
    /// proves that these are equal, and says nothing about the others but how many they are.
    Sample(f64),
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Schema and data.
    #[default]
    Everything,
    /// The schema and no rows.
    SchemaOnly,
    /// Rows, sequences and large objects.
    DataOnly,
}

/// Who makes the digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestOn {
    /// pghaul: the rows of both sides come to it.
    #[default]
    Client,
    /// The servers: only digests leave them. SHA-256 where both are 11 or newer, else MD5.
    Server,
}

/// Whether rows that differ are looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recheck {
    /// At most so often.
    pub looks: u32,
    /// The pause before each look.
    pub pause: Duration,
}

impl Default for Recheck {
    fn default() -> Self {
        Self { looks: 5, pause: Duration::from_secs(5) }
    }
}

/// The options of a comparison.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Parts read at once: as many sessions on each side.
    pub jobs: NonZeroUsize,
    /// What is compared.
    pub scope: Scope,
    /// How much of the rows.
    pub depth: Depth,
    /// Whether owners are compared.
    pub owners: Compared,
    /// Whether privileges are.
    pub privileges: Compared,
    /// Globs over `schema.table`; empty: all. With any, no large objects.
    pub include: Vec<String>,
    /// Globs over `schema.table`; wins over `include`.
    pub exclude: Vec<String>,
    /// Who makes the digests.
    pub digest_on: DigestOn,
    /// Whether rows that differ are looked at again.
    pub recheck: Option<Recheck>,
    /// Rows named of each table that differs.
    pub max_differences: usize,
    /// Whether the values of what differs are told.
    pub values: Values,
    /// Bytes of memory for the whole process. A comparison needs [`MEMORY`] and [`MEMORY_A_JOB`]
    /// for each job, and beyond that twice the largest row of each side for each job; with a smaller
    /// budget it runs fewer jobs. What is left is for the digests of rows that may differ: without a
    /// budget, 16 MiB.
    pub memory: Option<u64>,
    /// The folder for digests that do not fit: a file without a name, of 42 bytes for each row of
    /// either side that is looked through at once, which are four times
    /// [`max_differences`](Self::max_differences) or 150,000, whichever is more.
    pub spill_dir: PathBuf,
    /// Bytes a second read from each side, all jobs together.
    pub max_rate: Option<NonZeroU64>,
    /// Bytes of a part, TOAST included.
    pub part_size: Option<u64>,
    /// A file that keeps what is compared, so that the same comparison goes on after its process has
    /// ended: see [`manual::verify`](crate::manual::verify). It is made if it is not there, locked
    /// while the comparison works, and removed when that has come to its end.
    pub state: Option<PathBuf>,
    /// The `pg_dump` to use, instead of the one found.
    pub pg_dump: Option<PathBuf>,
    /// How often in a row the reading of a part may fail before it is given up.
    pub attempts: u32,
    /// How often something may be tried again, all parts together.
    pub retries: u32,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            jobs: NonZeroUsize::MIN.saturating_add(3),
            scope: Scope::default(),
            depth: Depth::default(),
            owners: Compared::default(),
            privileges: Compared::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            digest_on: DigestOn::default(),
            recheck: None,
            max_differences: 100,
            values: Values::default(),
            memory: None,
            spill_dir: std::env::temp_dir(),
            max_rate: None,
            part_size: None,
            state: None,
            pg_dump: None,
            attempts: 10,
            retries: 1000,
        }
    }
}

/// What a comparison needs at least, in bytes, whatever is compared and whatever differs.
pub const MEMORY: u64 = 32 << 20;

/// What each job needs beyond that: what is on its way from both sides.
pub const MEMORY_A_JOB: u64 = 2 << 20;

/// The digests of rows that may differ, by default.
const MEMORY_FOR_DIFFERENCES: u64 = 16 << 20;

/// The same at least.
const LEAST_FOR_DIFFERENCES: u64 = 2 << 20;

impl VerifyOptions {
    /// As many jobs as fit the memory.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if not even one fits.
    pub(crate) fn within_memory(self) -> Result<Self, Error> {
        let whole = MEMORY + LEAST_FOR_DIFFERENCES;
        let jobs = jobs_within(self.memory, self.jobs, ("a comparison", whole, MEMORY_A_JOB))?;
        Ok(Self { jobs, ..self })
    }

    /// Bytes for the digests of rows that may differ.
    pub(crate) fn memory_for_differences(&self) -> usize {
        let jobs = u64::try_from(self.jobs.get()).unwrap_or(u64::MAX);
        let needed = MEMORY.saturating_add(jobs.saturating_mul(MEMORY_A_JOB));
        let left = self.memory.map(|memory| memory.saturating_sub(needed));
        let left = left.unwrap_or(MEMORY_FOR_DIFFERENCES).max(LEAST_FOR_DIFFERENCES);
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_differences_share_the_memory() {
        let with = |memory| VerifyOptions { memory, ..VerifyOptions::default() }.within_memory();
        let shares = |memory| {
            let options = with(memory).unwrap();
            (options.jobs.get(), options.memory_for_differences() >> 20)
        };
        assert_eq!(shares(None), (4, 16));
        assert_eq!(shares(Some(96 << 20)), (4, 56));
        assert_eq!(shares(Some(40 << 20)), (3, 2));
        assert_eq!(shares(Some(36 << 20)), (1, 2));
        let refused = with(Some(35 << 20)).unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::Usage);
        assert!(refused.to_string().contains(&(36_u64 << 20).to_string()), "{refused}");
    }
}
