//! Digests of rows and of tables.
//!
//! Invariants: a row digest is the first 128 bits of SHA-256 of the row's image; a table digest
//! is `(count, sum of lane 0, sum of lane 1)` modulo 2^64. Sums and not XOR, so that a doubled
//! row shows. Order does not matter and digests of pieces add up.

use std::fmt;

/// The digest of one row: the first 128 bits of SHA-256 of its image, as two big-endian lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowDigest(pub [u64; 2]);

/// The digest of a set of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// How many rows.
    pub rows: u64,
    /// Sums of the lanes, modulo 2^64.
    pub lanes: [u64; 2],
}

impl TableDigest {
    /// Adds one row.
    pub fn add_row(&mut self, row: RowDigest) {
        self.rows += 1;
        self.lanes[0] = self.lanes[0].wrapping_add(row.0[0]);
        self.lanes[1] = self.lanes[1].wrapping_add(row.0[1]);
    }

    /// Adds the rows of another set.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.lanes[0] = self.lanes[0].wrapping_add(other.lanes[0]);
        self.lanes[1] = self.lanes[1].wrapping_add(other.lanes[1]);
    }
}

/// The lanes in lower-case hex; the count stands apart.
impl fmt::Display for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.lanes[0], self.lanes[1])
    }
}
