//! Finds the rows of two sides that have no twin on the other, in bounded memory.
//!
//! Rows are pushed in any order, each with the digest of its key and its own; they come back
//! sorted by key, without those that are there equally often on both sides. What does not fit the
//! budget goes to a file, as for the [`DuplicateFinder`](super::DuplicateFinder).
//!
//! Invariants: a row counts as often as it was pushed; all memory that depends on the number of
//! rows is within the budget; the file holds digests and ctids only, and has no name.

use std::path::PathBuf;

use super::FinderError;
use super::partitions::{Ordered, Partitions};
use super::plan::Plan;
use crate::digest::RowDigest;
use crate::tid::Tid;

/// Digest of the key, digest of the row, side and relation, ctid.
const RECORD: usize = 42;

/// The highest bit of the tag: the row is on the second side.
const SECOND: u32 = 1 << 31;

/// The row has no ctid.
const NOWHERE: u32 = 1 << 30;

/// Which of the two sides a row is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The first.
    First,
    /// The second.
    Second,
}

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The caller's tag for the relation: below 2^30.
    pub relation: u32,
    /// Where in it; none where there are no ctids.
    pub tid: Option<Tid>,
}

/// Copies of a row that one side has more of than the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpaired {
    /// The digest of its key.
    pub key: RowDigest,
    /// Its digest.
    pub row: RowDigest,
    /// Copies on the first side less copies on the second; never 0.
    pub balance: i64,
    /// The first place of it on the first side, if it is there.
    pub first: Option<Place>,
    /// On the second side.
    pub second: Option<Place>,
}

/// Takes rows of two sides, and gives those without a twin.
///
/// ```
/// use pghaul_rows::RowDigest;
/// use pghaul_rows::duplicates::pairing::{On, Pairing, Place};
///
/// let place = Place { relation: 0, tid: None };
/// let key = RowDigest([1, 1]);
/// let mut pairing = Pairing::new(16 << 20, std::env::temp_dir())?;
/// pairing.push(On::First, (key, RowDigest([7, 7])), place)?;
/// pairing.push(On::Second, (key, RowDigest([7, 7])), place)?;
/// pairing.push(On::Second, (key, RowDigest([7, 7])), place)?;
///
/// let mut rows = pairing.finish()?;
/// assert_eq!(rows.next_row()?.map(|row| row.balance), Some(-1));
/// assert_eq!(rows.next_row()?, None);
/// # Ok::<(), pghaul_rows::duplicates::FinderError>(())
/// ```
#[derive(Debug)]
pub struct Pairing(Partitions<RECORD>);

impl Pairing {
    /// One that needs at most `budget` bytes of memory, at least
    /// [`MIN_BUDGET`](super::MIN_BUDGET), and for what does not fit them a file without a name
    /// in `folder`: 42 bytes for each row. The memory is reserved at the first row, and comes into
    /// use as it is filled.
    pub fn new(budget: usize, folder: impl Into<PathBuf>) -> Result<Self, FinderError> {
        Ok(Self(Partitions::new(Plan::new(budget, RECORD)?, folder.into())))
    }

    /// Adds a row by the digests of its key and of itself.
    pub fn push(
        &mut self,
        side: On,
        digests: (RowDigest, RowDigest),
        place: Place,
    ) -> Result<(), FinderError> {
        self.0.push(record(side, digests, place))
    }

    /// Bytes in the temporary file so far.
    pub fn spilled_bytes(&self) -> u64 {
        self.0.spilled_bytes()
    }

    /// All rows were added.
    pub fn finish(self) -> Result<UnpairedRows, FinderError> {
        Ok(UnpairedRows { ordered: self.0.finish()?, ahead: None })
    }
}

/// Rows without a twin, by key, those of one key by their digest.
#[derive(Debug)]
pub struct UnpairedRows {
    ordered: Ordered<RECORD>,
    /// Taken from `ordered`, and to be looked at next.
    ahead: Option<[u8; RECORD]>,
}

impl UnpairedRows {
    /// The next one.
    pub fn next_row(&mut self) -> Result<Option<Unpaired>, FinderError> {
        loop {
            let Some(first) = self.next_record()? else { return Ok(None) };
            let (key, row) = digests(&first);
            let mut found = Unpaired { key, row, balance: 0, first: None, second: None };
            let mut next = Some(first);
            while let Some(record) = next.take() {
                if digests(&record) != (key, row) {
                    self.ahead = Some(record);
                    break;
                }
                match side_and_place(&record) {
                    (On::First, place) => {
                        found.balance += 1;
                        found.first.get_or_insert(place);
                    }
                    (On::Second, place) => {
                        found.balance -= 1;
                        found.second.get_or_insert(place);
                    }
                }
                next = self.next_record()?;
            }
            if found.balance != 0 {
                return Ok(Some(found));
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<[u8; RECORD]>, FinderError> {
        match self.ahead.take() {
            Some(record) => Ok(Some(record)),
            None => self.ordered.next(),
        }
    }
}

// Big-endian, so that records sort as their bytes do.

fn record(
    side: On,
    (key, row): (RowDigest, RowDigest),
    Place { relation, tid }: Place,
) -> [u8; RECORD] {
    let side = if side == On::Second { SECOND } else { 0 };
    let nowhere = if tid.is_none() { NOWHERE } else { 0 };
    let tag = side | nowhere | (relation & (NOWHERE - 1));
    let mut record = [0; RECORD];
    record[..16].copy_from_slice(&key.to_be_bytes());
    record[16..32].copy_from_slice(&row.to_be_bytes());
    record[32..36].copy_from_slice(&tag.to_be_bytes());
    record[36..].copy_from_slice(&tid.unwrap_or(Tid { block: 0, offset: 0 }).to_be_bytes());
    record
}

fn digests(record: &[u8; RECORD]) -> (RowDigest, RowDigest) {
    let digest = |at: usize| {
        let bytes = record.get(at..).and_then(|rest| rest.first_chunk().copied());
        RowDigest::from_be_bytes(bytes.unwrap_or_default())
    };
    (digest(0), digest(16))
}

fn side_and_place(record: &[u8; RECORD]) -> (On, Place) {
    let [.., r, s, t, u, a, b, c, d, e, f] = *record;
    let tag = u32::from_be_bytes([r, s, t, u]);
    let tid = Tid::from_be_bytes([a, b, c, d, e, f]);
    let place = Place { relation: tag & (NOWHERE - 1), tid: (tag & NOWHERE == 0).then_some(tid) };
    (if tag & SECOND == 0 { On::First } else { On::Second }, place)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::duplicates::MIN_BUDGET;

    fn all(pairing: Pairing) -> Vec<Unpaired> {
        let mut rows = pairing.finish().unwrap();
        std::iter::from_fn(|| rows.next_row().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_a_map_of_counts_leaves(
            rows in prop::collection::vec((any::<bool>(), 0..6_u64, 0..3_u64, 0..4_u16), 0..200)
        ) {
            let mut pairing = Pairing::new(MIN_BUDGET, std::env::temp_dir()).unwrap();
            let mut model: BTreeMap<(RowDigest, RowDigest), [Vec<Place>; 2]> = BTreeMap::new();
            for (second, key, content, offset) in rows {
                // The first bits tell partitions apart.
                let digests = (RowDigest([key << 61, 0]), RowDigest([content, key]));
                let tid = (offset > 0).then_some(Tid { block: 9, offset });
                let place = Place { relation: u32::from(offset), tid };
                let side = if second { On::Second } else { On::First };
                pairing.push(side, digests, place).unwrap();
                model.entry(digests).or_default()[usize::from(second)].push(place);
            }
            let expected: Vec<(RowDigest, RowDigest, i64)> = model
                .iter()
                .map(|((key, row), [first, second])| {
                    (*key, *row, first.len().cast_signed() as i64 - second.len().cast_signed() as i64)
                })
                .filter(|(.., balance)| *balance != 0)
                .collect();
            let found = all(pairing);
            for one in &found {
                let [first, second] = &model[&(one.key, one.row)];
                prop_assert_eq!(one.first.is_some(), !first.is_empty());
                prop_assert_eq!(one.second.is_some(), !second.is_empty());
                prop_assert!(one.first.is_none_or(|place| first.contains(&place)));
                prop_assert!(one.second.is_none_or(|place| second.contains(&place)));
            }
            let found: Vec<_> = found.iter().map(|one| (one.key, one.row, one.balance)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn more_rows_than_fit_go_to_a_file_and_none_is_lost() {
        let mut pairing = Pairing::new(MIN_BUDGET, std::env::temp_dir()).unwrap();
        let rows = 100_000_u64;
        let mix = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = |at: u64| Place {
            relation: 3,
            tid: Some(Tid { block: u32::try_from(at).unwrap(), offset: 1 }),
        };
        for at in 0..rows {
            pairing
                .push(On::First, (RowDigest([mix(at), 0]), RowDigest([at, 0])), place(at))
                .unwrap();
        }
        for at in (0..rows).rev() {
            // Every hundredth row has other content.
            let content = if at % 100 == 0 { [at, 1] } else { [at, 0] };
            pairing
                .push(On::Second, (RowDigest([mix(at), 0]), RowDigest(content)), place(at))
                .unwrap();
        }
        assert!(pairing.spilled_bytes() > 7_000_000, "{}", pairing.spilled_bytes());
        let found = all(pairing);
        assert_eq!(found.len(), 2_000);
        for pair in found.chunks(2) {
            let [one, other] = pair else { panic!("{pair:?}") };
            assert_eq!((one.key, one.balance, other.balance), (other.key, 1, -1));
            assert_eq!((one.first, one.second, other.first), (other.second, None, None));
            assert_eq!(one.row.0[0] % 100, 0);
        }
    }
}
