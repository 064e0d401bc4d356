//! Which rows are one: sets that overlap are one set.
//!
//! Invariants: 12 bytes a row and 1 a set; the same sets give the same components, whatever the
//! order in which they come.

use std::collections::BTreeMap;

use pghaul_rows::Tid;

/// No unique index found the set: merging made the rows equal.
const BY_MERGING: u8 = u8::MAX;

/// Sets of rows, as they were found.
#[derive(Debug, Default, Clone)]
pub(super) struct Sets {
    /// A row, and a set in which it is.
    members: Vec<(Tid, u32)>,
    /// By set: the place of the index that found it.
    found_by: Vec<u8>,
}

impl Sets {
    /// Rows that share a key of an index, by its place.
    pub(super) fn add_found(&mut self, rows: &[Tid], unique: usize) {
        self.add(rows, u8::try_from(unique.min(63)).unwrap_or(63));
    }

    /// Rows that are equal once others are merged: no index is violated yet.
    pub(super) fn add_collision(&mut self, rows: &[Tid]) {
        self.add(rows, BY_MERGING);
    }

    fn add(&mut self, rows: &[Tid], found_by: u8) {
        let set = u32::try_from(self.found_by.len()).unwrap_or(u32::MAX);
        self.found_by.push(found_by);
        self.members.extend(rows.iter().map(|tid| (*tid, set)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Memory that it needs, and [`Sets::components`] beside it.
    pub(super) fn bytes(&self) -> u64 {
        let members = self.members.capacity() * size_of::<(Tid, u32)>();
        let components = self.members.len() * size_of::<Tid>() + self.found_by.len() * 16;
        (members + self.found_by.capacity() + components) as u64
    }

    /// The rows that are one, but for those that are removed.
    pub(super) fn components(mut self, removed: &BTreeMap<Tid, &'static str>) -> Components {
        self.members.sort_unstable();
        self.members.dedup();
        let mut above: Vec<u32> = (0_u32..).zip(&self.found_by).map(|(set, _)| set).collect();
        for pair in self.members.windows(2) {
            let [(left, a), (right, b)] = pair else { continue };
            if left == right {
                let (a, b) = (top(&mut above, *a), top(&mut above, *b));
                above[a.max(b) as usize] = a.min(b);
            }
        }
        self.members.retain(|(tid, _)| removed.is_empty() || !removed.contains_key(tid));
        let mut found_by = vec![0_u64; above.len()];
        for (_, set) in &mut self.members {
            let mark = self.found_by[*set as usize];
            *set = top(&mut above, *set);
            if mark != BY_MERGING {
                found_by[*set as usize] |= 1 << mark;
            }
        }
        self.members.dedup();
        // The rows of each set, then where each begins, in the order of the lowest row.
        let mut at = vec![0_u32; above.len()];
        for (_, set) in &self.members {
            at[*set as usize] += 1;
        }
        let mut all = Components::default();
        let mut rows = 0_u32;
        let mut seen = above;
        seen.fill(0);
        for (_, set) in &self.members {
            let set = *set as usize;
            if std::mem::replace(&mut seen[set], 1) == 0 {
                let size = std::mem::replace(&mut at[set], u32::MAX);
                if size > 1 {
                    at[set] = rows;
                    rows += size;
                    all.ends.push(rows);
                    all.found_by.push(found_by[set]);
                }
            }
        }
        all.rows = vec![Tid { block: 0, offset: 0 }; rows as usize];
        for (tid, set) in &self.members {
            let at = &mut at[*set as usize];
            if *at != u32::MAX {
                all.rows[*at as usize] = *tid;
                *at += 1;
            }
        }
        all
    }
}

fn top(above: &mut [u32], mut set: u32) -> u32 {
    while above[set as usize] != set {
        // Shorter for the next one.
        above[set as usize] = above[above[set as usize] as usize];
        set = above[set as usize];
    }
    set
}

/// Rows that are one, by their lowest ctid.
#[derive(Debug, Default)]
pub(super) struct Components {
    rows: Vec<Tid>,
    ends: Vec<u32>,
    found_by: Vec<u64>,
}

impl Components {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All their rows.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// One: its rows by ctid, and which indexes found it, a bit for the place of each.
    pub(super) fn get(&self, at: usize) -> (&[Tid], u64) {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        (&self.rows[begin as usize..self.ends[at] as usize], self.found_by[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tid(block: u32) -> Tid {
        Tid { block, offset: 1 }
    }

    fn all(sets: Sets, removed: &[u32]) -> Vec<(Vec<u32>, u64)> {
        let removed = removed.iter().map(|block| (tid(*block), "why")).collect();
        let components = sets.components(&removed);
        (0..components.len())
            .map(|at| {
                let (rows, by) = components.get(at);
                (rows.iter().map(|tid| tid.block).collect(), by)
            })
            .collect()
    }

    fn sets(of: &[(&[u32], Option<usize>)]) -> Sets {
        let mut sets = Sets::default();
        for (rows, unique) in of {
            let rows: Vec<Tid> = rows.iter().map(|block| tid(*block)).collect();
            match unique {
                Some(unique) => sets.add_found(&rows, *unique),
                None => sets.add_collision(&rows),
            }
        }
        sets
    }

    #[test]
    fn sets_that_share_a_row_are_one() {
        let of: &[(&[u32], Option<usize>)] = &[
            (&[9, 4], Some(1)),
            (&[7, 8], None),
            (&[4, 2], Some(0)),
            (&[30, 31], Some(2)),
            (&[8, 7, 6], None),
            (&[2, 1], None),
        ];
        let expected = [(vec![1, 2, 4, 9], 0b11), (vec![6, 7, 8], 0), (vec![30, 31], 0b100)];
        assert_eq!(all(sets(of), &[]), expected);
        let backwards: Vec<_> = of.iter().rev().copied().collect();
        assert_eq!(all(sets(&backwards), &[]), expected);
    }

    #[test]
    fn a_removed_row_is_in_no_group_but_holds_it_together() {
        let of: &[(&[u32], Option<usize>)] =
            &[(&[1, 2], Some(0)), (&[2, 3], None), (&[5, 6], Some(1)), (&[6, 7], None)];
        assert_eq!(all(sets(of), &[2, 5]), [(vec![1, 3], 0b1), (vec![6, 7], 0b10)]);
        assert_eq!(all(sets(of), &[1, 2, 5, 6]), []);
    }

    #[test]
    fn many_small_sets() {
        let mut sets = Sets::default();
        for n in (0..10_000).rev() {
            sets.add_found(&[tid(n), tid(n + 10_000)], 3);
        }
        let components = sets.components(&BTreeMap::new());
        assert_eq!((components.len(), components.rows()), (10_000, 20_000));
        assert_eq!(components.get(17), ([tid(17), tid(10_017)].as_slice(), 0b1000));
    }
}
