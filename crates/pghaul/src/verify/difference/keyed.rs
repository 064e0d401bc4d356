//! Rows without a twin become differences: what is missing and what is extra under one key is one
//! changed row.
//!
//! Invariant: memory is bounded, also when a million rows share a key, which only a damaged unique
//! index allows: beyond [`WAITING`] rows of one key the first are not paired, but missing or extra.

use std::collections::VecDeque;

use pghaul_rows::RowDigest;
use pghaul_rows::duplicates::pairing::{Place as Filed, Unpaired, UnpairedRows};

use super::super::reading::Place;
use super::DifferenceKind;
use crate::duplicates::cannot_sort;
use crate::error::Error;

/// Rows of one key that wait for a partner.
const WAITING: usize = 1_000;

/// A difference before its rows are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proto {
    pub(super) kind: DifferenceKind,
    pub(super) key: RowDigest,
    pub(super) source: Option<(Place, RowDigest)>,
    pub(super) target: Option<(Place, RowDigest)>,
    pub(super) copies: u64,
}

/// The differences, by key.
pub(super) struct ByKey {
    rows: UnpairedRows,
    couples: Couples,
}

impl ByKey {
    pub(super) fn new(rows: UnpairedRows) -> Self {
        Self { rows, couples: Couples::default() }
    }

    /// The next ones, at most so many; none at the end.
    pub(super) fn some(&mut self, most: usize) -> Result<Vec<Proto>, Error> {
        let mut some = Vec::new();
        while some.len() < most {
            if let Some(ready) = self.couples.ready.pop_front() {
                some.push(ready);
                continue;
            }
            match self.rows.next_row().map_err(cannot_sort)? {
                Some(row) => self.couples.take(row),
                None if self.couples.waiting.is_empty() => break,
                None => self.couples.end_of_key(),
            }
        }
        Ok(some)
    }
}

/// Pairs the rows of one key after the other.
#[derive(Default)]
struct Couples {
    key: Option<RowDigest>,
    /// Rows of this key with the copies that have no partner yet: all missing, or all extra.
    waiting: VecDeque<(Unpaired, u64)>,
    ready: VecDeque<Proto>,
}

impl Couples {
    /// The next row, by key.
    fn take(&mut self, row: Unpaired) {
        if self.key != Some(row.key) {
            self.end_of_key();
            self.key = Some(row.key);
        }
        let mut copies = row.balance.unsigned_abs();
        while let Some((other, theirs)) = self.waiting.front_mut() {
            if copies == 0 || (other.balance > 0) == (row.balance > 0) {
                break;
            }
            let both = copies.min(*theirs);
            let (missing, extra) = if row.balance > 0 { (row, *other) } else { (*other, row) };
            self.ready.push_back(Proto {
                kind: DifferenceKind::Changed,
                key: row.key,
                source: place(missing.first, missing.row),
                target: place(extra.second, extra.row),
                copies: both,
            });
            copies -= both;
            *theirs -= both;
            if *theirs == 0 {
                self.waiting.pop_front();
            }
        }
        if copies > 0 {
            self.waiting.push_back((row, copies));
        }
        if self.waiting.len() > WAITING {
            self.alone();
        }
    }

    fn end_of_key(&mut self) {
        while !self.waiting.is_empty() {
            self.alone();
        }
    }

    /// The row that waits longest has no partner.
    fn alone(&mut self) {
        let Some((row, copies)) = self.waiting.pop_front() else { return };
        let key = row.key;
        self.ready.push_back(if row.balance > 0 {
            let source = place(row.first, row.row);
            Proto { kind: DifferenceKind::Missing, key, source, target: None, copies }
        } else {
            let target = place(row.second, row.row);
            Proto { kind: DifferenceKind::Extra, key, source: None, target, copies }
        });
    }
}

fn place(filed: Option<Filed>, row: RowDigest) -> Option<(Place, RowDigest)> {
    let Filed { relation, tid } = filed?;
    Some((Place { heap: usize::try_from(relation).unwrap_or(usize::MAX), tid }, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u64, content: u64, balance: i64) -> Unpaired {
        let place = Some(Filed { relation: 0, tid: None });
        Unpaired {
            key: RowDigest([key, 0]),
            row: RowDigest([key, content]),
            balance,
            first: place.filter(|_| balance > 0),
            second: place.filter(|_| balance < 0),
        }
    }

    fn kinds(rows: impl IntoIterator<Item = Unpaired>) -> Vec<(DifferenceKind, u64)> {
        let mut couples = Couples::default();
        rows.into_iter().for_each(|row| couples.take(row));
        couples.end_of_key();
        couples.ready.iter().map(|one| (one.kind, one.copies)).collect()
    }

    #[test]
    fn rows_of_one_key_are_pairs() {
        use DifferenceKind::{Changed, Extra, Missing};
        assert_eq!(kinds([row(1, 1, 1), row(1, 2, -1)]), [(Changed, 1)]);
        assert_eq!(kinds([row(1, 1, -1), row(1, 2, 1)]), [(Changed, 1)]);
        assert_eq!(kinds([row(1, 1, 1), row(2, 2, -1)]), [(Missing, 1), (Extra, 1)]);
        assert_eq!(kinds([row(1, 1, 3)]), [(Missing, 3)]);
        // Two copies became one of other content: one changed, one missing.
        assert_eq!(kinds([row(1, 1, 2), row(1, 2, -1)]), [(Changed, 1), (Missing, 1)]);
        assert_eq!(
            kinds([row(1, 1, 1), row(1, 2, -2), row(1, 3, -1)]),
            [(Changed, 1), (Extra, 1), (Extra, 1)]
        );
    }

    #[test]
    fn a_key_of_countless_rows_does_not_fill_the_memory() {
        let mut couples = Couples::default();
        for content in 0..10_000 {
            couples.take(row(1, content, 1));
            assert!(couples.waiting.len() <= WAITING);
        }
        for content in 10_000..20_000 {
            couples.take(row(1, content, -1));
        }
        couples.end_of_key();
        let count = |kind| couples.ready.iter().filter(|one| one.kind == kind).count();
        assert_eq!(count(DifferenceKind::Changed), WAITING);
        assert_eq!(count(DifferenceKind::Missing), 10_000 - WAITING);
        assert_eq!(count(DifferenceKind::Extra), 10_000 - WAITING);
    }
}
