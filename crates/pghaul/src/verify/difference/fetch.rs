//! What is told of rows that differ: their keys, the columns that differ, values where asked for.
//!
//! Invariants: rows are fetched by where they lie, never by an index; a column's values are compared
//! by digest, so that whole rows are never held, and only those of changed rows are read.

use std::collections::{BTreeMap, HashMap};

use futures::future::try_join_all;
use pghaul_rows::{RowDigest, TableDigest, Tid};

use super::super::reading::{FoundRow, KeyKind, Place, Reading, Wanted, at_places};
use super::keyed::Proto;
use super::{ColumnValues, Difference, DifferenceKind, Searched, VALUE_CHARACTERS, Values};
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// Rows whose places are asked for in one statement.
const ROWS_FETCHED: usize = 500;

/// Rows of a server that are fetched at once.
const ROWS_TOLD: usize = 2_000;

/// Statements that wait for their answers on one session.
const STATEMENTS: usize = 4;

/// What was fetched of a row.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// The digest of each column; of changed rows only.
    pub(crate) columns: Vec<RowDigest>,
    /// The values of the key.
    pub(crate) key: Vec<Option<String>>,
    /// The values of all columns, where they are to be told.
    pub(crate) values: Vec<Option<String>>,
}

/// Fetches what is told of some rows, sorted by key.
pub(super) async fn named_by_key(
    source: &impl Searched,
    target: &impl Searched,
    batch: &[Proto],
    values: Values,
) -> Result<Vec<Difference>, Error> {
    let places = |of: fn(&Proto) -> Option<(Place, RowDigest)>| {
        let each = batch.iter().filter_map(move |one| Some((one.kind, of(one)?.0)));
        each.collect::<Vec<_>>()
    };
    let (on_source, on_target) = futures::try_join!(
        source.fetch(places(|one| one.source), values),
        target.fetch(places(|one| one.target), values)
    )?;
    let names = source.columns();
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
            let there = |side: Option<&Fetched>| side.map(|row| row.key.clone());
            let key = there(left).filter(|key| !key.is_empty()).or_else(|| there(right));
            let place = |place: Option<(Place, RowDigest)>| place.map(|(place, _)| place);
            let (source_relation, source_tid) =
                place(one.source).map(|place| source.place(place)).unwrap_or_default();
            let (target_relation, target_tid) =
                place(one.target).map(|place| target.place(place)).unwrap_or_default();
            let value = |side: Option<&Fetched>, at: usize| side?.values.get(at).cloned().flatten();
            Difference {
                kind: one.kind,
                key: key.unwrap_or_default(),
                key_digest: one.key,
                source: source_tid,
                target: target_tid,
                source_relation,
                target_relation,
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

impl Searched for Reading<'_> {
    const FETCHED: usize = ROWS_TOLD;

    fn bytes(&self) -> u64 {
        self.table.bytes()
    }

    fn columns(&self) -> &[Ident] {
        &self.table.format.columns
    }

    fn place(&self, place: Place) -> (Option<RelationName>, Option<Tid>) {
        let heaps = &self.table.heaps;
        let heap = (heaps.len() > 1).then(|| heaps.get(place.heap)).flatten();
        (heap.map(|heap| heap.name.clone()), place.tid)
    }

    async fn buckets(&self, bits: u32) -> Result<Vec<TableDigest>, Error> {
        Reading::buckets(self, bits).await
    }

    async fn find(
        &self,
        wanted: &Wanted,
        each: impl FnMut(FoundRow) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        Reading::find(self, wanted, each).await
    }

    async fn fetch(
        &self,
        places: Vec<(DifferenceKind, Place)>,
        values: Values,
    ) -> Result<HashMap<Place, Fetched>, Error> {
        // Values may be long: then one statement after the other.
        let at_once = if values == Values::Shown { 1 } else { STATEMENTS };
        let mut by_heap: BTreeMap<usize, BTreeMap<Tid, DifferenceKind>> = BTreeMap::new();
        for (kind, place) in places {
            if let Some(tid) = place.tid {
                by_heap.entry(place.heap).or_default().insert(tid, kind);
            }
        }
        let mut all = HashMap::new();
        for (heap, rows) in by_heap {
            let rows: Vec<(Tid, DifferenceKind)> = rows.into_iter().collect();
            for together in rows.chunks(ROWS_FETCHED * at_once) {
                let mut statements = Vec::with_capacity(at_once);
                for some in together.chunks(ROWS_FETCHED) {
                    statements.push(fetch(self, heap, some, values));
                }
                all.extend(try_join_all(statements).await?.into_iter().flatten());
            }
        }
        Ok(all)
    }
}

/// Fetches rows of one heap by where they lie.
async fn fetch(
    reading: &Reading<'_>,
    heap: usize,
    rows: &[(Tid, DifferenceKind)],
    values: Values,
) -> Result<HashMap<Place, Fetched>, Error> {
    let all: Vec<Tid> = rows.iter().map(|(tid, _)| *tid).collect();
    let changed = rows.iter().filter(|(_, kind)| *kind == DifferenceKind::Changed);
    let changed: Vec<Tid> = changed.map(|(tid, _)| *tid).collect();
    let (columns, texts) =
        futures::try_join!(reading.columns_at(heap, &changed), texts(reading, heap, &all, values))?;
    let mut found: HashMap<Place, Fetched> = HashMap::new();
    let place = |tid| Place { heap, tid: Some(tid) };
    for (tid, columns) in columns {
        found.entry(place(tid)).or_default().columns = columns;
    }
    for (tid, key, values) in texts {
        let row = found.entry(place(tid)).or_default();
        (row.key, row.values) = (key, values);
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
    if tids.is_empty() || (nameless && values == Values::Hidden) {
        return Ok(Vec::new());
    }
    let text = |column: &Ident, cut: &str| {
        let name = column.quoted();
        format!("case when {name} is not null then {cut}pg_catalog.format('%s', {name})")
    };
    let columns = &table.format.columns;
    let key = table.key.iter().filter_map(|at| columns.get(*at));
    let keys = key.map(|column| format!("{} end", text(column, ""))).collect::<Vec<_>>();
    let all = columns
        .iter()
        .filter(|_| values == Values::Shown)
        .map(|column| format!("{}, {VALUE_CHARACTERS}) end", text(column, "pg_catalog.left(")));
    let expressions: Vec<String> =
        std::iter::once("ctid".to_owned()).chain(keys.iter().cloned()).chain(all).collect();
    let sql = format!(
        "select {} from only {} where {}",
        expressions.join(", "),
        heap.name.quoted(),
        at_places(tids)
    );
    let doing = format!("name the rows of `{}` that differ", heap.name);
    let rows = reading.rows(&doing, &sql).await?;
    let taken_apart = rows.into_iter().filter_map(|row| {
        let mut fields = row.into_iter();
        let tid = Tid::from_text(fields.next()??.as_bytes())?;
        let key = fields.by_ref().take(keys.len()).collect();
        Some((tid, key, fields.collect()))
    });
    Ok(taken_apart.collect())
}
