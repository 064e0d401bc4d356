//! Where a row lies: block and line pointer (Postgres manual, 5.5 `ctid`).

use std::fmt;

/// A `ctid`. Ordered as the heap is: by block, then by line pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid {
    /// The block (page) of the heap.
    pub block: u32,
    /// The line pointer inside the block, from 1.
    pub offset: u16,
}

/// As Postgres writes it: `(block,offset)`.
impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}
