//! Which rows are looked for, and what is known of those that are found.

use std::collections::HashSet;

use pghaul_rows::{RowDigest, Tid};

/// Where a row was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which of the table's heaps.
    pub heap: usize,
    /// Where in it; none where there are no ctids.
    pub tid: Option<Tid>,
}

/// A row by its digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundRow {
    /// Where it lies.
    pub place: Place,
    /// The digest of its key; without a key that of the row.
    pub key: RowDigest,
    /// The digest of the row.
    pub row: RowDigest,
}

/// Which rows to find.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// All.
    Everything,
    /// Those in some buckets of the key's digest.
    Buckets(Buckets),
    /// Those with some keys.
    Keys(HashSet<RowDigest>),
}

/// Some of `2^bits` buckets, by the first bits of a digest.
#[derive(Debug, Clone)]
pub struct Buckets {
    bits: u32,
    chosen: Vec<u8>,
}

impl Buckets {
    /// None of them yet.
    pub fn none(bits: u32) -> Self {
        Self { bits, chosen: vec![0; 1_usize.checked_shl(bits).unwrap_or(0).div_ceil(8)] }
    }

    /// Adds one.
    pub fn choose(&mut self, bucket: usize) {
        if let Some(byte) = self.chosen.get_mut(bucket / 8) {
            *byte |= 1 << (bucket % 8);
        }
    }

    fn holds(&self, bucket: usize) -> bool {
        self.chosen.get(bucket / 8).is_some_and(|byte| byte >> (bucket % 8) & 1 == 1)
    }
}

/// The bucket of a digest.
pub fn bucket_of(digest: RowDigest, bits: u32) -> usize {
    usize::try_from(digest.0[0] >> (64 - bits)).unwrap_or(0)
}

impl Wanted {
    pub(crate) fn holds(&self, key: RowDigest) -> bool {
        match self {
            Self::Everything => true,
            Self::Buckets(buckets) => buckets.holds(bucket_of(key, buckets.bits)),
            Self::Keys(keys) => keys.contains(&key),
        }
    }

    /// The same as a condition over `k`, the hex of a key's digest. The bits of a bytea are
    /// numbered as [`Buckets`] has them: byte by byte, the lowest bit first.
    pub(super) fn condition(&self) -> String {
        match self {
            Self::Everything => "true".to_owned(),
            Self::Buckets(buckets) => format!(
                "pg_catalog.get_bit('\\x{}'::pg_catalog.bytea, {}) = 1",
                buckets.chosen.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
                bucket_expression(buckets.bits)
            ),
            Self::Keys(keys) => {
                let list: Vec<String> = keys.iter().map(ToString::to_string).collect();
                format!("pg_catalog.substr(k, 1, 32) = any ('{{{}}}'::text[])", list.join(","))
            }
        }
    }
}

/// The bucket of `k`, the hex of a key's digest.
pub(super) fn bucket_expression(bits: u32) -> String {
    format!("(('x' || pg_catalog.substr(k, 1, 8))::bit(32)::int8 >> {})::int4", 32 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_the_first_bits() {
        let digest = RowDigest([0xabcd_ef01_2345_6789, 0]);
        assert_eq!(bucket_of(digest, 12), 0xabc);
        assert_eq!(bucket_of(digest, 16), 0xabcd);
        let mut buckets = Buckets::none(12);
        assert!(!buckets.holds(0xabc));
        buckets.choose(0xabc);
        assert!(buckets.holds(0xabc) && !buckets.holds(0xabd));
    }
}
