//! What a rebuild is to do, and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::amcheck::Thoroughness;
use super::select::Selection;

/// What a rebuild is to do.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// Which indexes are meant. What is named is rebuilt, whether it needs to be or not.
    pub selection: Selection,
    /// Which of them, if nothing is named.
    pub need: Need,
    /// Whether those count that depend on a collation of which no version is recorded.
    pub unknown: Unknown,
    /// Whether applications go on writing meanwhile.
    pub locking: Locking,
    /// Tables to work on at once: as many sessions, and two more.
    pub jobs: NonZeroUsize,
    /// How thoroughly amcheck looks at indexes before, to find the damaged ones, and after.
    pub thoroughness: Thoroughness,
    /// What happens to materialized views whose own unique index is exposed or damaged.
    pub views: Views,
    /// How long to wait for sessions that hold locks or old snapshots before an index is given up;
    /// none: for ever. They are named in either case.
    pub max_wait: Option<Duration>,
    /// The memory, in bytes, with which rows that share a key are looked for when they stop a build.
    pub memory: usize,
    /// Where digests of keys go then that do not fit it.
    pub spill_dir: PathBuf,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            need: Need::Needed,
            unknown: Unknown::default(),
            locking: Locking::Concurrent,
            jobs: NonZeroUsize::MIN.saturating_add(1),
            thoroughness: Thoroughness::default(),
            views: Views::default(),
            max_wait: None,
            memory: 64 << 20,
            spill_dir: std::env::temp_dir(),
        }
    }
}

/// Which indexes are rebuilt if none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Need {
    /// Those that are exposed, not valid or damaged.
    #[default]
    Needed,
    /// Every one.
    All,
}

/// What becomes of an index that depends on a collation of which no version is recorded (that of the
/// database before 15, any before 13 but ICU's), and that amcheck has not found in order: whether it
/// is in the present order nobody knows, before its rebuild and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unknown {
    /// It is rebuilt, each time.
    #[default]
    Rebuild,
    /// It is left as it is, which is right once all were rebuilt under the present library; a note
    /// says how many there are.
    Keep,
}

/// Whether others can write to a table while an index of it is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locking {
    /// They can, wherever the server has a way.
    #[default]
    Concurrent,
    /// They wait: faster, for maintenance windows.
    Blocking,
}

/// What happens to a materialized view whose own unique index is exposed or damaged. Its rows were
/// computed through indexes that may have been in the wrong order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Views {
    /// It is refreshed once the indexes of tables are rebuilt, which builds its own indexes anew.
    /// Nobody can read it meanwhile.
    #[default]
    Refresh,
    /// Only its indexes are rebuilt.
    Keep,
}
