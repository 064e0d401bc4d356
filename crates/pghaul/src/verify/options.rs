//! What a comparison is asked to do.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::difference::Values;
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
    /// Globs over `schema.table`; empty: all.
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
    /// Bytes a second read from each side, all jobs together.
    pub max_rate: Option<NonZeroU64>,
    /// Bytes of a part, TOAST included.
    pub part_size: Option<u64>,
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
            max_rate: None,
            part_size: None,
            pg_dump: None,
            attempts: 10,
            retries: 1000,
        }
    }
}
