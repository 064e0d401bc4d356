//! What a clone is asked to do. Each choice has a name, none is a bare `bool`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use pghaul_rows::TableDigest;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::plan::format::FormatChoice;
use crate::preflight::Carry;

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Schema and data.
    #[default]
    Everything,
    /// Only the schema.
    SchemaOnly,
    /// Only the rows, into tables that are there.
    DataOnly,
}

impl Scope {
    /// Whether large objects come along: with rows, unless tables are asked for by name.
    pub(crate) fn large_objects(self, include: &[String]) -> Carry {
        if self == Self::SchemaOnly || !include.is_empty() { Carry::Not } else { Carry::Along }
    }
}

/// Whether something of the source is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// As on the source.
    #[default]
    AsIs,
    /// Left out.
    LeaveOut,
}

/// How much is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Every row of the target is read back and digested.
    #[default]
    Full,
    /// Only counted.
    Rows,
    /// Nothing.
    None,
}

impl Verify {
    /// Whether what was read back is what was read from the source, as far as is asked.
    pub(super) fn equal(self, there: TableDigest, here: TableDigest) -> bool {
        match self {
            Self::Full => there == here,
            Self::Rows | Self::None => there.rows == here.rows,
        }
    }
}

/// What is left for a later `--resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferred {
    /// Foreign keys are created NOT VALID and not validated.
    Validation,
    /// Materialized views are not refreshed.
    Matviews,
}

/// Whether the source is expected to be quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceUse {
    /// Writes since the snapshot are a warning: they are not in the copy.
    #[default]
    Quiet,
    /// Writes are expected, and a note.
    Live,
}

/// How a clone meets a run that is in the target already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// There must be none.
    #[default]
    New,
    /// Go on with it.
    Resume,
    /// Go on with it, but begin again for the tables that match these globs.
    ResumeRestarting(Vec<String>),
    /// Drop exactly what it created, without CASCADE, and begin anew.
    Restart,
    /// Work on it beside the process that began it: see [`worker::join`](super::worker::join).
    Join,
}

/// The options that shape a run: fixed when it begins, stored with it, the same for everybody who
/// goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// What is carried.
    pub scope: Scope,
    /// Globs over `schema.table`; empty: all. With any, no large objects.
    pub include: Vec<String>,
    /// Globs over `schema.table`; wins over `include`.
    pub exclude: Vec<String>,
    /// Owners of objects.
    pub owners: Keep,
    /// GRANTs and default privileges.
    pub privileges: Keep,
    /// How much is proven.
    pub verify: Verify,
    /// Text or binary.
    pub format: FormatChoice,
    /// Bytes of a part, TOAST included.
    pub part_size: Option<u64>,
    /// What is left for later.
    #[serde(default)]
    pub deferred: Vec<Deferred>,
}

impl CloneOptions {
    /// The part of the options that is stored with the run.
    pub fn shape(&self) -> Shape {
        Shape {
            scope: self.scope,
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            owners: self.owners,
            privileges: self.privileges,
            verify: self.verify,
            format: self.format,
            part_size: self.part_size,
            deferred: self.deferred.clone(),
        }
    }

    /// These options under the shape of a run that has begun. What it deferred, a resume does,
    /// unless it is to be deferred again; a worker leaves it alone.
    #[must_use]
    pub fn shaped(self, shape: Shape) -> Self {
        let Shape { scope, include, exclude, owners, privileges, .. } = shape;
        let Shape { verify, format, part_size, .. } = shape;
        let joins = self.start == Start::Join;
        let of_run = Self { scope, include, exclude, owners, privileges, ..self };
        let deferred = if joins { shape.deferred } else { of_run.deferred };
        Self { verify, format, part_size, deferred, ..of_run }
    }
}

/// The options of a clone.
#[derive(Debug, Clone)]
pub struct CloneOptions {
    /// Parts that are copied at once: as many sessions on each side. Large tables go first; where
    /// there are two jobs or more, one of them takes small tables before large ones.
    pub jobs: NonZeroUsize,
    /// Indexes and other steps that are built at once: as many sessions on the target.
    pub index_jobs: NonZeroUsize,
    /// What is carried.
    pub scope: Scope,
    /// Globs over `schema.table`; empty: all. With any, no large objects.
    pub include: Vec<String>,
    /// Globs over `schema.table`; wins over `include`.
    pub exclude: Vec<String>,
    /// Owners of objects.
    pub owners: Keep,
    /// GRANTs and default privileges.
    pub privileges: Keep,
    /// How much is proven.
    pub verify: Verify,
    /// Text or binary.
    pub format: FormatChoice,
    /// What is left for later.
    pub deferred: Vec<Deferred>,
    /// Bytes a second read from the source, all jobs together.
    pub max_rate: Option<NonZeroU64>,
    /// Bytes of a part, TOAST included.
    pub part_size: Option<u64>,
    /// Bytes of memory for the whole process. A clone needs [`MEMORY`] and [`MEMORY_A_JOB`] for each
    /// job, and beyond that three times the largest row for each job that reads one; with a smaller
    /// budget it runs fewer jobs.
    pub memory: Option<u64>,
    /// Whether the source is expected to be quiet.
    pub source_use: SourceUse,
    /// The `pg_dump` to use, instead of the one found.
    pub pg_dump: Option<PathBuf>,
    /// A snapshot exported elsewhere, instead of one's own.
    pub snapshot: Option<String>,
    /// How a run that is there is met.
    pub start: Start,
    /// How often in a row a part or step may fail, without committing anything in between, before
    /// it is given up.
    pub attempts: u32,
    /// How often the run may try something again, all parts and steps together.
    pub retries_per_run: u32,
}

impl Default for CloneOptions {
    fn default() -> Self {
        Self {
            jobs: NonZeroUsize::MIN.saturating_add(3),
            index_jobs: NonZeroUsize::MIN.saturating_add(1),
            scope: Scope::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            owners: Keep::default(),
            privileges: Keep::default(),
            verify: Verify::default(),
            format: FormatChoice::default(),
            deferred: Vec::new(),
            max_rate: None,
            part_size: None,
            memory: None,
            source_use: SourceUse::default(),
            pg_dump: None,
            snapshot: None,
            start: Start::default(),
            attempts: 10,
            retries_per_run: 1000,
        }
    }
}

/// What a clone needs at least, in bytes, whatever the sizes of both databases.
pub const MEMORY: u64 = 12 << 20;

/// What each job needs beyond that, in bytes, but for rows of more than some hundred KiB.
pub const MEMORY_A_JOB: u64 = 4 << 20;

/// What a restore needs at least, in bytes.
pub const RESTORE_MEMORY: u64 = 12 << 20;

/// What each job of a restore needs beyond that: the frames on their way, of at most 4 MiB each, but
/// for rows longer than that.
pub const RESTORE_MEMORY_A_JOB: u64 = 20 << 20;

impl CloneOptions {
    /// As many jobs as fit the memory.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if not even one fits.
    pub(super) fn within_memory(self) -> Result<Self, Error> {
        let jobs = jobs_within(self.memory, self.jobs, ("a clone", MEMORY, MEMORY_A_JOB))?;
        Ok(Self { jobs, ..self })
    }

    /// The same for a restore.
    ///
    /// # Errors
    /// As [`CloneOptions::within_memory`].
    pub(super) fn within_memory_of_restore(self) -> Result<Self, Error> {
        let needs = ("a restore", RESTORE_MEMORY, RESTORE_MEMORY_A_JOB);
        let jobs = jobs_within(self.memory, self.jobs, needs)?;
        Ok(Self { jobs, ..self })
    }
}

/// As many of the jobs as fit the memory: what the whole needs, and what each job does.
///
/// # Errors
/// [`ErrorKind::Usage`] if not even one fits.
pub(crate) fn jobs_within(
    memory: Option<u64>,
    jobs: NonZeroUsize,
    (what, whole, each): (&str, u64, u64),
) -> Result<NonZeroUsize, Error> {
    let Some(memory) = memory else { return Ok(jobs) };
    let fitting = usize::try_from(memory.saturating_sub(whole) / each).unwrap_or(usize::MAX);
    match NonZeroUsize::new(fitting) {
        Some(fitting) => Ok(jobs.min(fitting)),
        None => Err(Error::new(
            ErrorKind::Usage,
            format!(
                "{what} cannot work in {memory} bytes of memory; it needs at least {}",
                whole + each
            ),
        )),
    }
}

/// How many sessions a clone opens at most at once on the source and on the target.
///
/// On the source: each copying lane, the keeper, its heir, pg_dump and one to look. On the target:
/// each copying lane to write and to read back, the lanes of steps, one that controls, and
/// [`GUARDS`].
pub fn sessions(jobs: u32, index_jobs: u32) -> (u32, u32) {
    let target = jobs.saturating_mul(2).saturating_add(index_jobs).saturating_add(1 + GUARDS);
    (jobs.saturating_add(4), target)
}

/// Sessions of the target that keep autovacuum away from large tables while they are copied.
pub const GUARDS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_budget_means_fewer_jobs_and_a_tiny_one_is_refused() {
        let jobs = |memory: Option<u64>| {
            CloneOptions { memory, ..CloneOptions::default() }
                .within_memory()
                .map(|options| options.jobs.get())
        };
        assert_eq!(jobs(None).unwrap(), 4);
        assert_eq!(jobs(Some(1 << 30)).unwrap(), 4);
        assert_eq!(jobs(Some(MEMORY + 2 * MEMORY_A_JOB)).unwrap(), 2);
        let refused = jobs(Some(MEMORY + MEMORY_A_JOB - 1)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage);
        assert!(refused.to_string().contains("16777216"), "{refused}");
    }
}
