//! Which rows differ, when two digests do.
//!
//! Invariants: order and collation play no part in finding them: rows are compared by digest,
//! first in buckets of their key's digest, then one by one within buckets that differ, so what is
//! changed lies in one bucket on both sides; a doubled row counts as often as it is there. Whatever
//! differs and however many rows are to be named, memory is bounded by [`Naming::memory`] and by
//! the rows that are told at once; what is found and does not fit it goes to a file. The scans
//! are as few as the file is bounded: a turn takes four rows for each one that may still be named,
//! and at least [`ROWS_A_TURN`].

pub(crate) mod fetch;
mod keyed;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pghaul_rows::duplicates::pairing::{On, Pairing, Place as Filed};
use pghaul_rows::{RowDigest, TableDigest, Tid};

use super::reading::{Buckets, FoundRow, Place, Reading, Wanted};
use crate::duplicates::cannot_sort;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};
use fetch::{Fetched, named_by_key};
use keyed::ByKey;

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DifferenceKind {
    /// On the source and not on the target.
    Missing,
    /// On the target and not on the source.
    Extra,
    /// On both, under one key, with different content.
    Changed,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// The values of the key as text; empty for a table without one, where rows cannot be fetched
    /// by their place, and for a key that is not the primary one when values are not told.
    pub key: Vec<Option<String>>,
    /// The digest by which the row is found again: the key's, or without a key the row's.
    pub key_digest: RowDigest,
    /// Where it lies on the source.
    pub source: Option<Tid>,
    /// Where it lies on the target.
    pub target: Option<Tid>,
    /// The relation on the source, where a table has several: a leaf of a partition tree.
    pub source_relation: Option<RelationName>,
    /// The relation on the target, as on the source.
    pub target_relation: Option<RelationName>,
    /// The row's digest on the source.
    pub source_digest: Option<RowDigest>,
    /// The row's digest on the target.
    pub target_digest: Option<RowDigest>,
    /// How many copies are missing or extra; for a changed row 1.
    pub copies: u64,
    /// The columns that differ, of a changed row.
    pub columns: Vec<Ident>,
    /// Their values, or all columns' of a missing or extra row, where they were asked for.
    pub values: Vec<ColumnValues>,
}

/// The values of one column, as text, cut to [`VALUE_CHARACTERS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnValues {
    /// The column.
    pub column: Ident,
    /// On the source; none for NULL, and for a row that is not there.
    pub source: Option<String>,
    /// On the target, as on the source.
    pub target: Option<String>,
}

/// Characters of a value that are fetched.
pub const VALUE_CHARACTERS: usize = 200;

/// Rows of both sides that one turn takes at least, 42 bytes each in memory or in the file.
pub const ROWS_A_TURN: u64 = 150_000;

/// How rows are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Values {
    /// By key and place.
    #[default]
    Hidden,
    /// With the values of the columns that differ.
    Shown,
}

/// What was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Named {
    /// Rows named.
    pub rows: usize,
    /// Whether these are all that differ.
    pub all: bool,
}

/// Takes differences, in turns of bounded size. An error ends the search.
pub trait Differences: Send {
    /// Takes some. May wait: the search does too.
    fn take(
        &mut self,
        differences: Vec<Difference>,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Differences for Vec<Difference> {
    async fn take(&mut self, mut differences: Vec<Difference>) -> Result<(), Error> {
        self.append(&mut differences);
        Ok(())
    }
}

/// How to name rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// At most so many.
    pub limit: usize,
    /// With or without values.
    pub values: Values,
    /// How many rows both sides have together, where that is known: when they are few, one scan
    /// is enough.
    pub rows: Option<u64>,
    /// Bytes of memory for the digests of rows that may differ, at least 1 MiB.
    pub memory: usize,
    /// The folder for what does not fit it: a file without a name.
    pub spill_dir: PathBuf,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            limit: 100,
            values: Values::Hidden,
            rows: None,
            memory: 8 << 20,
            spill_dir: std::env::temp_dir(),
        }
    }
}

/// Names rows that differ. Both sides have the same columns, and the same key in the same places.
///
/// # Errors
/// What either server said, or what `sink` did; [`ErrorKind::LocalIo`] when what does not fit the
/// memory cannot be written to the folder.
pub async fn differences(
    source: Reading<'_>,
    target: Reading<'_>,
    naming: &Naming,
    sink: &mut impl Differences,
) -> Result<Named, Error> {
    search(&source, &target, naming, sink).await
}

/// One side of a search: what can be read of it.
pub(crate) trait Searched: Sync {
    /// Rows that are fetched at once, at most.
    const FETCHED: usize;

    /// Bytes on disk, for how many rows there may be.
    fn bytes(&self) -> u64;

    /// The columns that are compared.
    fn columns(&self) -> &[Ident];

    /// Where a row lies that people can look at: in which relation, if there are several, and its
    /// ctid.
    fn place(&self, place: Place) -> (Option<RelationName>, Option<Tid>);

    /// Counts and sums by the first bits of the key's digest.
    fn buckets(&self, bits: u32) -> impl Future<Output = Result<Vec<TableDigest>, Error>> + Send;

    /// Calls `each` for the rows that are wanted.
    fn find(
        &self,
        wanted: &Wanted,
        each: impl FnMut(FoundRow) -> Result<(), Error> + Send,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Reads what is told of some rows.
    fn fetch(
        &self,
        places: Vec<(DifferenceKind, Place)>,
        values: Values,
    ) -> impl Future<Output = Result<HashMap<Place, Fetched>, Error>> + Send;
}

/// As [`differences`], of anything that has rows.
pub(crate) async fn search<S: Searched, T: Searched>(
    source: &S,
    target: &T,
    naming: &Naming,
    sink: &mut impl Differences,
) -> Result<Named, Error> {
    let told_at_once = S::FETCHED.max(T::FETCHED);
    let mut left = Left::of(source, target, naming).await?;
    let mut named = Named { rows: 0, all: false };
    while !left.is_empty() && named.rows < naming.limit {
        let wanted = left.turn(naming.limit - named.rows);
        let mut found = find(source, target, &wanted, naming).await?;
        loop {
            let room = naming.limit - named.rows;
            let batch = found.some(room.min(told_at_once))?;
            if batch.is_empty() {
                if room == 0 && !found.some(1)?.is_empty() {
                    return Ok(named);
                }
                break;
            }
            named.rows += batch.len();
            sink.take(named_by_key(source, target, &batch, naming.values).await?).await?;
        }
    }
    named.all = left.is_empty();
    Ok(named)
}

/// What is still to be searched.
enum Left {
    /// All rows, which are few.
    Everything,
    /// Buckets that differ, by number, and what each side has in each.
    Buckets {
        bits: u32,
        differing: Vec<usize>,
        sides: [Vec<TableDigest>; 2],
    },
    Nothing,
}

impl Left {
    async fn of(
        source: &impl Searched,
        target: &impl Searched,
        naming: &Naming,
    ) -> Result<Self, Error> {
        if naming.rows.is_some_and(|rows| rows <= rows_of_turn(naming.limit)) {
            return Ok(Self::Everything);
        }
        // A row takes 24 bytes of header at least, and rarely less than 64.
        let bits = bits_for(source.bytes().max(target.bytes()) / 64);
        let (left, right) = futures::try_join!(source.buckets(bits), target.buckets(bits))?;
        let differing: Vec<usize> =
            (0..left.len()).filter(|at| left.get(*at) != right.get(*at)).collect();
        Ok(Self::Buckets { bits, differing, sides: [left, right] })
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Buckets { differing, .. } => differing.is_empty(),
            Self::Nothing => true,
        }
    }

    /// Takes what is searched in one turn, when so many rows may still be named.
    fn turn(&mut self, room: usize) -> Wanted {
        match self {
            Self::Everything | Self::Nothing => {
                *self = Self::Nothing;
                Wanted::Everything
            }
            Self::Buckets { bits, differing, sides: [left, right] } => {
                turn(differing, *bits, (left, right), rows_of_turn(room))
            }
        }
    }
}

fn rows_of_turn(room: usize) -> u64 {
    ROWS_A_TURN.max(u64::try_from(room).unwrap_or(u64::MAX).saturating_mul(4))
}

/// How finely to look: 4096 buckets, more for larger tables, so that few rows share one.
fn bits_for(rows: u64) -> u32 {
    match rows {
        0..500_000 => 12,
        500_000..16_000_000 => 16,
        _ => 18,
    }
}

/// Takes buckets for one turn out of those that differ: at least one, else as many as hold
/// `most` rows.
fn turn(
    differing: &mut Vec<usize>,
    bits: u32,
    (left, right): (&[TableDigest], &[TableDigest]),
    most: u64,
) -> Wanted {
    let mut buckets = Buckets::none(bits);
    let mut rows = 0;
    let mut taken = 0;
    for at in differing.iter() {
        let in_bucket = |side: &[TableDigest]| side.get(*at).map_or(0, |bucket| bucket.rows);
        let more = in_bucket(left) + in_bucket(right);
        if taken > 0 && rows + more > most {
            break;
        }
        rows += more;
        taken += 1;
        buckets.choose(*at);
    }
    differing.drain(..taken);
    Wanted::Buckets(buckets)
}

/// Reads the wanted rows of both sides and takes equal ones away in pairs.
async fn find(
    source: &impl Searched,
    target: &impl Searched,
    wanted: &Wanted,
    naming: &Naming,
) -> Result<ByKey, Error> {
    let pairing = Pairing::new(naming.memory, &naming.spill_dir).map_err(cannot_sort)?;
    let pairing = Mutex::new(pairing);
    let add = |side: On, found: FoundRow| {
        let relation = u32::try_from(found.place.heap).map_err(|_| {
            Error::new(ErrorKind::Bug, "a table with more partitions than there can be")
        })?;
        let place = Filed { relation, tid: found.place.tid };
        let mut pairing = pairing.lock().unwrap_or_else(PoisonError::into_inner);
        pairing.push(side, (found.key, found.row), place).map_err(cannot_sort)
    };
    futures::try_join!(
        source.find(wanted, |found| add(On::First, found)),
        target.find(wanted, |found| add(On::Second, found))
    )?;
    let pairing = pairing.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(ByKey::new(pairing.finish().map_err(cannot_sort)?))
}

/// The state of some keys on both sides: for each the digests of its rows, sorted.
///
/// # Errors
/// What either server said.
pub async fn states(
    source: Reading<'_>,
    target: Reading<'_>,
    wanted: &Wanted,
) -> Result<HashMap<RowDigest, KeyState>, Error> {
    let states: Mutex<HashMap<RowDigest, KeyState>> = Mutex::new(HashMap::new());
    let add = |found: FoundRow, of: fn(&mut KeyState) -> &mut Vec<RowDigest>| {
        let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
        of(states.entry(found.key).or_default()).push(found.row);
        Ok(())
    };
    futures::try_join!(
        source.find(wanted, |found| add(found, |state| &mut state.source)),
        target.find(wanted, |found| add(found, |state| &mut state.target))
    )?;
    let mut states = states.into_inner().unwrap_or_else(PoisonError::into_inner);
    for state in states.values_mut() {
        state.source.sort_unstable();
        state.target.sort_unstable();
    }
    Ok(states)
}

/// The rows under one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyState {
    /// On the source.
    pub source: Vec<RowDigest>,
    /// On the target.
    pub target: Vec<RowDigest>,
}

#[cfg(test)]
mod tests {
    use super::super::reading::bucket_of;
    use super::*;

    #[test]
    fn a_turn_takes_what_fits_and_at_least_one() {
        let side = |rows: [u64; 4]| rows.map(|rows| TableDigest { rows, lanes: [0; 2] }).to_vec();
        let sides = [side([ROWS_A_TURN * 2, 10, ROWS_A_TURN - 20, 11]), side([0; 4])];
        let left_over = |room: usize| {
            let differing = vec![0, 1, 2, 3];
            let mut left = Left::Buckets { bits: 12, differing, sides: sides.clone() };
            std::iter::from_fn(|| {
                (!left.is_empty()).then(|| left.turn(room))?;
                let Left::Buckets { differing, .. } = &left else { return None };
                Some(differing.len())
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(left_over(100), [3, 1, 0]);
        // The more may be named, the fewer the scans.
        assert_eq!(left_over(200_000), [0]);
    }

    #[test]
    fn large_tables_get_more_buckets() {
        assert_eq!([0, 3_000_000, 1 << 40].map(bits_for), [12, 16, 18]);
        assert_eq!(bucket_of(RowDigest([u64::MAX, 0]), 12), 4095);
    }
}
