//! Which rows differ, when two digests do.
//!
//! Invariants: order and collation play no part in finding them: rows are compared by digest,
//! first in buckets of their key's digest, then one by one within buckets that differ, so what is
//! changed lies in one bucket on both sides; a doubled row counts as often as it is there; memory
//! is bounded by [`ROWS_HELD`], whatever differs: more than that is taken in several turns, each
//! one more scan, until as many rows are named as were asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use pghaul_rows::{RowDigest, TableDigest, Tid};

use super::reading::{Buckets, FoundRow, KeyKind, Place, Reading, Wanted};
use crate::error::Error;
use crate::name::{Ident, RelationName};

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

/// Rows held in memory in one turn, some 100 bytes each, unless one bucket holds more.
pub const ROWS_HELD: u64 = 150_000;

/// Rows whose places are asked for at once.
const ROWS_FETCHED: usize = 500;

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
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    /// At most so many.
    pub limit: usize,
    /// With or without values.
    pub values: Values,
}

/// Names rows that differ. Both sides have the same columns, and the same key in the same places.
///
/// # Errors
/// What either server said, or what `sink` did.
pub async fn differences(
    source: Reading<'_>,
    target: Reading<'_>,
    naming: Naming,
    sink: &mut impl Differences,
) -> Result<Named, Error> {
    let rows = {
        let bytes = source.table.bytes().max(target.table.bytes());
        // A row takes 24 bytes of header at least, and rarely less than 64.
        bytes / 64
    };
    let bits = bits_for(rows);
    let (left, right) = futures::try_join!(source.buckets(bits), target.buckets(bits))?;
    let mut differing: Vec<usize> =
        (0..left.len()).filter(|at| left.get(*at) != right.get(*at)).collect();
    let mut named = Named { rows: 0, all: false };
    while !differing.is_empty() && named.rows < naming.limit {
        let turn = turn(&mut differing, bits, (&left, &right));
        let unpaired = unpaired(&source, &target, &turn).await?;
        let mut found = proto(&unpaired);
        let room = naming.limit - named.rows;
        let cut = found.len() > room;
        found.truncate(room);
        named.rows += found.len();
        for batch in found.chunks(ROWS_FETCHED) {
            let batch = named_by_key(&source, &target, batch, naming.values).await?;
            sink.take(batch).await?;
        }
        if cut {
            return Ok(named);
        }
    }
    named.all = differing.is_empty();
    Ok(named)
}

/// How finely to look: 4096 buckets, more for larger tables, so that few rows share one.
fn bits_for(rows: u64) -> u32 {
    match rows {
        0..2_000_000 => 12,
        2_000_000..64_000_000 => 16,
        _ => 18,
    }
}

/// Takes buckets for one turn out of those that differ: at least one, else as many as hold
/// [`ROWS_HELD`] rows.
fn turn(
    differing: &mut Vec<usize>,
    bits: u32,
    (left, right): (&[TableDigest], &[TableDigest]),
) -> Wanted {
    let mut buckets = Buckets::none(bits);
    let mut rows = 0;
    let mut taken = 0;
    for at in differing.iter() {
        let in_bucket = |side: &[TableDigest]| side.get(*at).map_or(0, |bucket| bucket.rows);
        let more = in_bucket(left) + in_bucket(right);
        if taken > 0 && rows + more > ROWS_HELD {
            break;
        }
        rows += more;
        taken += 1;
        buckets.choose(*at);
    }
    differing.drain(..taken);
    Wanted::Buckets(buckets)
}

/// A row without its twin on the other side.
#[derive(Debug, Clone, Copy)]
struct Unpaired {
    key: RowDigest,
    row: RowDigest,
    /// Copies on the source less copies on the target.
    balance: i64,
    source: Option<Place>,
    target: Option<Place>,
}

/// Reads the wanted rows of both sides and takes equal ones away in pairs.
async fn unpaired(
    source: &Reading<'_>,
    target: &Reading<'_>,
    wanted: &Wanted,
) -> Result<Vec<Unpaired>, Error> {
    let rows: Mutex<HashMap<RowDigest, Unpaired>> = Mutex::new(HashMap::new());
    let add = |found: FoundRow, copies: i64| {
        // Each change is complete before the lock is let go.
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.entry(found.row).or_insert(Unpaired {
            key: found.key,
            row: found.row,
            balance: 0,
            source: None,
            target: None,
        });
        row.balance += copies;
        if copies > 0 {
            row.source = Some(found.place);
        } else {
            row.target = Some(found.place);
        }
        if row.balance == 0 {
            // Comes back if there are more copies; so equal rows take no room.
            rows.remove(&found.row);
        }
    };
    futures::try_join!(
        source.find(wanted, |found| add(found, 1)),
        target.find(wanted, |found| add(found, -1))
    )?;
    let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut rows: Vec<Unpaired> = rows.into_values().collect();
    rows.sort_unstable_by_key(|row| (row.key, row.balance < 0, row.source, row.target, row.row));
    Ok(rows)
}

/// A difference before its rows are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Proto {
    kind: DifferenceKind,
    key: RowDigest,
    source: Option<(Place, RowDigest)>,
    target: Option<(Place, RowDigest)>,
    copies: u64,
}

/// Pairs what is missing with what is extra under the same key. `rows` are sorted by key, what is
/// missing first.
fn proto(rows: &[Unpaired]) -> Vec<Proto> {
    let mut all = Vec::new();
    for group in rows.chunk_by(|a, b| a.key == b.key) {
        let split = group.partition_point(|row| row.balance > 0);
        let (missing, extra) = group.split_at(split);
        let mut left: Vec<(&Unpaired, u64)> =
            missing.iter().map(|row| (row, row.balance.unsigned_abs())).collect();
        let mut right: Vec<(&Unpaired, u64)> =
            extra.iter().map(|row| (row, row.balance.unsigned_abs())).collect();
        let place = |place: Option<Place>, row: &Unpaired| place.map(|place| (place, row.row));
        let (mut l, mut r) = (0, 0);
        // Without a key a row is its digest, so both lists never have something.
        while let (Some(one), Some(other)) = (left.get_mut(l), right.get_mut(r)) {
            let copies = one.1.min(other.1);
            all.push(Proto {
                kind: DifferenceKind::Changed,
                key: one.0.key,
                source: place(one.0.source, one.0),
                target: place(other.0.target, other.0),
                copies,
            });
            one.1 -= copies;
            other.1 -= copies;
            l += usize::from(one.1 == 0);
            r += usize::from(other.1 == 0);
        }
        for (row, copies) in left.iter().skip(l) {
            let source = place(row.source, row);
            let (kind, key) = (DifferenceKind::Missing, row.key);
            all.push(Proto { kind, key, source, target: None, copies: *copies });
        }
        for (row, copies) in right.iter().skip(r) {
            let target = place(row.target, row);
            let (kind, key) = (DifferenceKind::Extra, row.key);
            all.push(Proto { kind, key, source: None, target, copies: *copies });
        }
    }
    all
}

/// What was fetched of a row.
struct Fetched {
    columns: Vec<RowDigest>,
    key: Vec<Option<String>>,
    values: Vec<Option<String>>,
}

async fn named_by_key(
    source: &Reading<'_>,
    target: &Reading<'_>,
    batch: &[Proto],
    values: Values,
) -> Result<Vec<Difference>, Error> {
    let places = |of: fn(&Proto) -> Option<(Place, RowDigest)>| {
        batch.iter().filter_map(of).map(|(place, _)| place).collect::<Vec<_>>()
    };
    let (on_source, on_target) = futures::try_join!(
        fetch(source, places(|one| one.source), values),
        fetch(target, places(|one| one.target), values)
    )?;
    let names = &source.table.format.columns;
    let several = |reading: &Reading<'_>, place: Place| {
        let heaps = &reading.table.heaps;
        (heaps.len() > 1).then(|| heaps.get(place.heap).map(|heap| heap.name.clone())).flatten()
    };
    let mut named: Vec<Difference> = batch
        .iter()
        .map(|one| {
            let left = one.source.and_then(|(place, _)| on_source.get(&place));
            let right = one.target.and_then(|(place, _)| on_target.get(&place));
            let differs: Vec<bool> = match (left, right) {
                (Some(left), Some(right)) => {
                    left.columns.iter().zip(&right.columns).map(|(a, b)| a != b).collect()
                }
                _ => Vec::new(),
            };
            let value = |side: Option<&Fetched>, at: usize| side?.values.get(at).cloned().flatten();
            Difference {
                kind: one.kind,
                key: left.or(right).map(|row| row.key.clone()).unwrap_or_default(),
                key_digest: one.key,
                source: one.source.and_then(|(place, _)| place.tid),
                target: one.target.and_then(|(place, _)| place.tid),
                source_relation: one.source.and_then(|(place, _)| several(source, place)),
                target_relation: one.target.and_then(|(place, _)| several(target, place)),
                source_digest: one.source.map(|(_, digest)| digest),
                target_digest: one.target.map(|(_, digest)| digest),
                copies: one.copies,
                columns: names
                    .iter()
                    .zip(&differs)
                    .filter(|(_, differs)| **differs)
                    .map(|(name, _)| name.clone())
                    .collect(),
                values: match values {
                    Values::Hidden => Vec::new(),
                    Values::Shown => names
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| differs.get(*at).copied().unwrap_or(true))
                        .map(|(at, name)| ColumnValues {
                            column: name.clone(),
                            source: value(left, at),
                            target: value(right, at),
                        })
                        .collect(),
                },
            }
        })
        .collect();
    named.sort_by(|a, b| {
        (&a.key, a.kind, a.source, a.target).cmp(&(&b.key, b.kind, b.source, b.target))
    });
    Ok(named)
}

/// Fetches rows by where they lie.
async fn fetch(
    reading: &Reading<'_>,
    places: Vec<Place>,
    values: Values,
) -> Result<HashMap<Place, Fetched>, Error> {
    let mut by_heap: BTreeMap<usize, Vec<Tid>> = BTreeMap::new();
    for place in places {
        if let Some(tid) = place.tid {
            by_heap.entry(place.heap).or_default().push(tid);
        }
    }
    let mut found = HashMap::new();
    for (heap, mut tids) in by_heap {
        tids.sort_unstable();
        tids.dedup();
        for (tid, columns) in reading.columns_at(heap, &tids).await? {
            let place = Place { heap, tid: Some(tid) };
            found.insert(place, Fetched { columns, key: Vec::new(), values: Vec::new() });
        }
        for (tid, key, texts) in texts(reading, heap, &tids, values).await? {
            if let Some(row) = found.get_mut(&Place { heap, tid: Some(tid) }) {
                (row.key, row.values) = (key, texts);
            }
        }
    }
    Ok(found)
}

type Texts = (Tid, Vec<Option<String>>, Vec<Option<String>>);

/// The texts of keys, and of values where they are asked for.
async fn texts(
    reading: &Reading<'_>,
    heap: usize,
    tids: &[Tid],
    values: Values,
) -> Result<Vec<Texts>, Error> {
    let table = reading.table;
    let Some(heap) = table.heaps.get(heap) else { return Ok(Vec::new()) };
    let nameless = table.key.is_empty() || table.key_kind == KeyKind::Unique;
    if nameless && values == Values::Hidden {
        return Ok(Vec::new());
    }
    let text = |column: &Ident, cut: &str| {
        let name = column.quoted();
        format!("case when {name} is not null then {cut}pg_catalog.format('%s', {name})")
    };
    let columns = &table.format.columns;
    let key: Vec<String> = table
        .key
        .iter()
        .filter_map(|at| columns.get(*at))
        .map(|column| format!("{} end", text(column, "")))
        .collect();
    let all: Vec<String> = match values {
        Values::Hidden => Vec::new(),
        Values::Shown => columns
            .iter()
            .map(|column| format!("{}, {VALUE_CHARACTERS}) end", text(column, "pg_catalog.left(")))
            .collect(),
    };
    let sql = format!(
        "select ctid::text, array[{}]::text[], array[{}]::text[] from only {} \
         where ctid = any ($1::text[]::pg_catalog.tid[])",
        key.join(", "),
        all.join(", "),
        heap.name.quoted()
    );
    let places: Vec<String> = tids.iter().map(ToString::to_string).collect();
    let doing = format!("name the rows of `{}` that differ", heap.name);
    let rows = reading.session.query(&doing, &sql, &[&places]).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let tid = Tid::from_text(row.get::<_, &str>(0).as_bytes())?;
            Some((tid, row.get(1), row.get(2)))
        })
        .collect())
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

    fn row(key: u64, content: u64, balance: i64) -> Unpaired {
        let tid = u16::try_from(content).ok().map(|offset| Tid { block: 0, offset });
        let place = Some(Place { heap: 0, tid });
        Unpaired {
            key: RowDigest([key, 0]),
            row: RowDigest([key, content]),
            balance,
            source: place.filter(|_| balance > 0),
            target: place.filter(|_| balance < 0),
        }
    }

    fn kinds(mut rows: Vec<Unpaired>) -> Vec<(DifferenceKind, u64)> {
        rows.sort_unstable_by_key(|row| (row.key, row.balance < 0, row.row));
        proto(&rows).iter().map(|one| (one.kind, one.copies)).collect()
    }

    #[test]
    fn rows_of_one_key_are_pairs() {
        use DifferenceKind::{Changed, Extra, Missing};
        assert_eq!(kinds(vec![row(1, 1, 1), row(1, 2, -1)]), [(Changed, 1)]);
        assert_eq!(kinds(vec![row(1, 1, 1), row(2, 2, -1)]), [(Missing, 1), (Extra, 1)]);
        assert_eq!(kinds(vec![row(1, 1, 3)]), [(Missing, 3)]);
        // Two copies became one of other content: one changed, one missing.
        assert_eq!(kinds(vec![row(1, 1, 2), row(1, 2, -1)]), [(Changed, 1), (Missing, 1)]);
        assert_eq!(
            kinds(vec![row(1, 1, 1), row(1, 2, -2), row(1, 3, -1)]),
            [(Changed, 1), (Extra, 1), (Extra, 1)]
        );
    }

    #[test]
    fn a_turn_takes_what_fits_and_at_least_one() {
        let side = |rows: [u64; 4]| rows.map(|rows| TableDigest { rows, lanes: [0; 2] }).to_vec();
        let left = side([ROWS_HELD * 2, 10, ROWS_HELD - 20, 11]);
        let right = side([0; 4]);
        let mut differing = vec![0, 1, 2, 3];
        let mut left_over = Vec::new();
        while !differing.is_empty() {
            turn(&mut differing, 12, (&left, &right));
            left_over.push(differing.len());
        }
        assert_eq!(left_over, [3, 1, 0]);
    }

    #[test]
    fn large_tables_get_more_buckets() {
        assert_eq!([0, 3_000_000, 1 << 40].map(bits_for), [12, 16, 18]);
        assert_eq!(bucket_of(RowDigest([u64::MAX, 0]), 12), 4095);
    }
}
