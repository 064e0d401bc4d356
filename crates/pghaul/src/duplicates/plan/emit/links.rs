//! Groups that are done together or not at all, since a row refers to several of them.
//!
//! Invariant: the same links give the same groups, whatever their order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Groups that are done together or not at all.
#[derive(Debug, Default)]
pub(super) struct Links {
    above: HashMap<u32, u32>,
}

impl Links {
    fn top(&self, mut number: u32) -> u32 {
        while let Some(above) = self.above.get(&number).filter(|above| **above != number) {
            number = *above;
        }
        number
    }

    pub(super) fn link(&mut self, numbers: &[u32]) {
        let [first, others @ ..] = numbers else { return };
        for other in others {
            let (a, b) = (self.top(*first), self.top(*other));
            if a != b {
                self.above.insert(a.max(b), a.min(b));
            }
        }
    }

    pub(super) fn groups(&self) -> Vec<Vec<u32>> {
        let mut by_top: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for number in self.above.keys() {
            let top = self.top(*number);
            by_top.entry(top).or_default().extend([top, *number]);
        }
        by_top.into_values().map(|linked| linked.into_iter().collect()).collect()
    }
}
