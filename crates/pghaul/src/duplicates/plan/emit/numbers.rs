//! The numbers of groups in the plan.
//!
//! Invariant: from 1, one after another, in the order in which the groups are written; 4 bytes a
//! group.

/// Numbers by table, and by the group's place there.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_table: Vec<Vec<u32>>,
    last: u32,
}

impl Numbers {
    /// The next one, for no place.
    pub(super) fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// The next one.
    pub(super) fn give(&mut self, table: usize, place: usize) -> u32 {
        let number = self.next();
        self.set((table, place), number);
        number
    }

    /// A place that stands for a group that has a number.
    pub(super) fn set(&mut self, (table, place): (usize, usize), number: u32) {
        if self.by_table.len() <= table {
            self.by_table.resize_with(table + 1, Vec::new);
        }
        let places = &mut self.by_table[table];
        if places.len() <= place {
            places.resize(place + 1, 0);
        }
        places[place] = number;
    }

    /// That of a group; none where it is left alone.
    pub(super) fn get(&self, (table, place): (usize, usize)) -> Option<&u32> {
        self.by_table.get(table)?.get(place).filter(|number| **number != 0)
    }
}
