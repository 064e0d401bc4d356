//! What a scan is asked to do.

use std::num::NonZeroU64;
use std::path::PathBuf;

use super::statement::Keys;

/// What a scan is asked to do.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// The tables whose indexes are scanned, with those of `indexes`; all where both are empty.
    pub tables: Vec<String>,
    /// Indexes that are scanned.
    pub indexes: Vec<String>,
    /// The memory for digests of keys, in bytes; at least 1 MiB.
    pub memory: usize,
    /// Where digests go that do not fit the memory: 22 bytes for each row, 26 in partition trees.
    pub spill_dir: PathBuf,
    /// Bytes of tables that are read in a second at most. On 13 and older it is kept on average
    /// only where the index covers few of a table's rows.
    pub max_rate: Option<NonZeroU64>,
    /// Whether keys are fetched, to be shown.
    pub keys: Keys,
    /// Whether foreign keys are looked at too.
    pub foreign_keys: ForeignKeys,
}

/// Whether foreign keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForeignKeys {
    /// Not at all.
    #[default]
    LeftOut,
    /// Those of the tables that are scanned; all where nothing is named.
    Checked,
}

/// 64 MiB, a temporary folder, all indexes, no keys.
impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            indexes: Vec::new(),
            memory: 64 << 20,
            spill_dir: std::env::temp_dir(),
            max_rate: None,
            keys: Keys::Hidden,
            foreign_keys: ForeignKeys::LeftOut,
        }
    }
}
