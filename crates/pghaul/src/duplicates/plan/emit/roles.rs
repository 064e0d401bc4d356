//! What the rows of groups are.
//!
//! Invariant: not held in memory; a row has one role.

use std::path::Path;

use pghaul_rows::Tid;
use serde::{Deserialize, Serialize};

use crate::duplicates::plan::spool::{Spool, Spooled};
use crate::error::Error;

/// What a row of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    Stays,
    /// Deleted at once: what it refers to does not matter.
    GoesFirst,
    GoesLast,
    /// Stays, with another key.
    Changes,
}

/// A row, the number of its group, and what it is there.
pub(super) type RoleOf = (Tid, (u32, Role));

/// Block, line pointer, the number of the group.
type RoleLine = (u32, u16, u32, Role);

/// The roles of the rows of one table.
#[derive(Default)]
pub(super) struct Roles {
    all: Vec<Spooled<RoleLine>>,
}

impl Roles {
    pub(super) fn add(&mut self, more: RolesWriter) -> Result<(), Error> {
        self.all.push(more.all.finish()?);
        Ok(())
    }

    /// Those of some rows, by ctid, with the number of the group.
    pub(super) fn of(&self, wanted: impl Fn(Tid) -> bool) -> Result<Vec<RoleOf>, Error> {
        let mut some = Vec::new();
        for line in self.all.iter().flat_map(Spooled::read) {
            let (block, offset, number, role) = line?;
            let tid = Tid { block, offset };
            if wanted(tid) {
                some.push((tid, (number, role)));
            }
        }
        some.sort_unstable_by_key(|(tid, _)| *tid);
        Ok(some)
    }
}

/// Takes roles.
pub(super) struct RolesWriter {
    all: Spool<RoleLine>,
}

impl RolesWriter {
    pub(super) fn new(folder: &Path) -> Self {
        Self { all: Spool::new(folder) }
    }

    pub(super) fn push(&mut self, tid: Tid, number: u32, role: Role) -> Result<(), Error> {
        self.all.push(&(tid.block, tid.offset, number, role))
    }
}
