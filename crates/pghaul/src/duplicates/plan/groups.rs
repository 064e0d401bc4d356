//! The groups of one table: rows that are one, which of them stays, what becomes of the others.
//!
//! Invariant: they are not held in memory; by their lowest ctid.

use std::path::Path;

use pghaul_rows::Tid;
use serde::{Deserialize, Serialize};

use super::spool::{Spool, Spooled, Values};
use crate::error::Error;

/// Rows that are one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    /// The row that stays first, then the others in the order of the rule.
    #[serde(with = "places")]
    pub(super) rows: Vec<Tid>,
    /// Which unique indexes found it, by their places.
    pub(super) found_by: u64,
    /// Why the first stays.
    pub(super) because: String,
    /// What happens.
    pub(super) fate: Fate,
    /// Found by merging parents only.
    pub(super) collision: bool,
}

/// What happens to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    /// The others are merged into the first.
    Merge,
    /// The others get another name.
    Rename,
    /// The others get these keys, in the order of the rows.
    NewKeys(Vec<String>),
    /// It is asked: the question's name, and why.
    Ask(String, String),
}

/// All groups of one table.
#[derive(Default)]
pub(super) struct Groups {
    all: Spooled<Group>,
    /// Which unique indexes found any of them.
    pub(super) found_by: u64,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// From the first on.
    pub(super) fn read(&self) -> Values<'_, Group> {
        self.all.read()
    }
}

/// Takes the groups of one table.
pub(super) struct GroupsWriter {
    all: Spool<Group>,
    found_by: u64,
}

impl GroupsWriter {
    /// Without any; kept in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self { all: Spool::new(folder), found_by: 0 }
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`](crate::error::ErrorKind::LocalIo).
    pub(super) fn push(&mut self, group: &Group) -> Result<(), Error> {
        self.found_by |= group.found_by;
        self.all.push(group)
    }

    /// All were added.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`](crate::error::ErrorKind::LocalIo).
    pub(super) fn finish(self) -> Result<Groups, Error> {
        Ok(Groups { all: self.all.finish()?, found_by: self.found_by })
    }
}

/// ctids as pairs of numbers.
mod places {
    use pghaul_rows::Tid;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(rows: &[Tid], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(rows.iter().map(|tid| (tid.block, tid.offset)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Tid>, D::Error> {
        let rows = Vec::<(u32, u16)>::deserialize(from)?;
        Ok(rows.into_iter().map(|(block, offset)| Tid { block, offset }).collect())
    }
}
