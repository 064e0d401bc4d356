//! Lets go of records whose keys are no other record's, before the rest is sorted: nearly all of them,
//! and sorting takes several times as long.
//!
//! Each key has a place in a table of bits, eight places for each record; keys that share a place may
//! be equal.
//!
//! Invariant: of records with equal keys none is let go.

/// Places for each record: of keys that are all different, one in eight stays.
const PLACES: usize = 8;

/// Keeps the records whose keys may be equal, and of the others some, if the bytes that it takes (up
/// to four for each record) are there; else all.
pub(super) fn sift<const N: usize>(records: &mut Vec<[u8; N]>, bytes: usize) {
    let places = (records.len() * PLACES).next_power_of_two().max(128);
    if records.len() < 2 || places / 4 > bytes {
        return;
    }
    let shift = 64 - places.trailing_zeros();
    let mut taken = vec![0_u64; places / 64];
    let mut shared = vec![0_u64; places / 64];
    for record in records.iter() {
        let (word, bit) = place(record, shift);
        shared[word] |= taken[word] & bit;
        taken[word] |= bit;
    }
    drop(taken);
    records.retain(|record| {
        let (word, bit) = place(record, shift);
        shared[word] & bit != 0
    });
}

/// The word and the bit in it of a record's key.
fn place<const N: usize>(record: &[u8; N], shift: u32) -> (usize, u64) {
    let word = |at: usize| record.get(at..).and_then(|rest| rest.first_chunk().copied());
    let [first, second] = [0, 8].map(|at| u64::from_be_bytes(word(at).unwrap_or_default()));
    // Records of one partition begin with the same bits.
    let mixed = (first ^ second.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift;
    (usize::try_from(mixed >> 6).unwrap_or_default(), 1 << (mixed & 63))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn record(key: u64, row: u8) -> [u8; 17] {
        let mut record = [row; 17];
        record[..8].copy_from_slice(&key.to_be_bytes());
        record[8..16].copy_from_slice(&key.rotate_left(17).to_be_bytes());
        record
    }

    proptest! {
        #[test]
        fn no_record_goes_that_shares_its_key(keys in proptest::collection::vec(0..500_u64, 0..400)) {
            let spread = |key: u64| key.wrapping_mul(0xdead_beef_1234_5677);
            let all: Vec<[u8; 17]> =
                keys.iter().zip(0_u16..).map(|(key, row)| record(spread(*key), row.to_be_bytes()[1])).collect();
            let mut of_key: BTreeMap<u64, Vec<[u8; 17]>> = BTreeMap::new();
            for (key, record) in keys.iter().zip(&all) {
                of_key.entry(*key).or_default().push(*record);
            }
            let mut kept = all.clone();
            sift(&mut kept, usize::MAX);
            for records in of_key.values().filter(|records| records.len() > 1) {
                for record in records {
                    let count = |of: &[[u8; 17]]| of.iter().filter(|other| *other == record).count();
                    prop_assert_eq!(count(&kept), count(&all));
                }
            }
        }
    }

    #[test]
    fn most_of_what_is_alone_goes_if_there_is_memory() {
        let all: Vec<[u8; 17]> =
            (0..10_000_u64).map(|key| record(key.wrapping_mul(0x1234_5678_9abc_def1), 0)).collect();
        let mut kept = all.clone();
        sift(&mut kept, 4 * all.len());
        assert!(kept.len() < all.len() / 4, "{}", kept.len());
        kept.clone_from(&all);
        sift(&mut kept, 10_000);
        assert_eq!(kept, all);
    }
}
