//! Groups that are done together or not at all, since a row refers to several of them.
//!
//! Invariant: the same links give the same groups, whatever their order; 4 bytes a group.

/// Groups that are done together or not at all.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By number: another of its groups, a lower one.
    above: Vec<u32>,
}

impl Links {
    fn top(&mut self, number: u32) -> u32 {
        let mut number = number as usize;
        while let Some(above) = self.above.get(number).filter(|above| **above as usize != number) {
            let above = *above as usize;
            // Shorter for the next one.
            self.above[number] = self.above[above];
            number = above;
        }
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    pub(super) fn link(&mut self, numbers: &[u32]) {
        let [first, others @ ..] = numbers else { return };
        for other in others {
            let (a, b) = (self.top(*first), self.top(*other));
            if a != b {
                let next = u32::try_from(self.above.len()).unwrap_or(u32::MAX);
                self.above.extend(next..=a.max(b));
                self.above[a.max(b) as usize] = a.min(b);
            }
        }
    }

    /// Those that belong together, by their lowest.
    pub(super) fn groups(mut self) -> Vec<(u32, u32)> {
        let mut linked = Vec::new();
        for number in 0..u32::try_from(self.above.len()).unwrap_or(u32::MAX) {
            let top = self.top(number);
            if top != number {
                linked.push((top, number));
            }
        }
        drop(self.above);
        linked.sort_unstable();
        linked
    }
}
