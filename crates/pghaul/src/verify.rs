//! Proof: the target is read back, since what was sent proves nothing; and any two databases are
//! compared, whatever made one of the other.
//!
//! Invariants: reads the heap only, never an index; compares count and digest of the same columns
//! by the same image; a table that could not be compared is a finding, never silence.

mod company;
pub mod difference;
mod journal;
mod known;
pub(crate) mod moment;
pub(crate) mod name_rows;
pub mod options;
pub(crate) mod others;
pub mod outcome;
pub mod pairs;
mod prepare;
mod progress;
pub(crate) mod read_all;
pub mod reading;
mod recheck;
mod repairs;

pub use options::VerifyOptions;
pub use outcome::{Resumed, TableDifferences, VerifiedTable, VerifyOutcome};
pub use prepare::PreparedVerify;

use pghaul_rows::TableDigest;

use crate::connect::Session;
use crate::error::Error;
use crate::event::Counters;
use crate::name::{Ident, RelationName};
use crate::plan::{Part, ReadBack, TablePlan};
use crate::transfer::pace::Pace;
use reading::{Blocks, DigestedBy, Heap, KeyKind, Reading, RowsOf, SideTable};

/// How a table of a run is read on the source. Of several, the leaves of one tree.
pub(crate) fn on_source(first: &TablePlan, others: &[&TablePlan]) -> SideTable {
    side_table(first, others, |table| (table.name.clone(), RowsOf::Itself, table.has_ctid))
}

/// How a table of a run is read back on the target.
pub(crate) fn on_target(table: &TablePlan, read_back: &ReadBack) -> SideTable {
    let rows = if read_back.with_partitions { RowsOf::Partitions } else { RowsOf::Itself };
    let mut side = side_table(table, &[], |table| {
        (read_back.name.clone(), rows, table.has_ctid && rows == RowsOf::Itself)
    });
    // What is read on the source as another type's text is of that type here.
    side.format.source_expressions = side.format.columns.iter().map(Ident::quoted).collect();
    side
}

fn side_table(
    first: &TablePlan,
    others: &[&TablePlan],
    heap: impl Fn(&TablePlan) -> (RelationName, RowsOf, bool),
) -> SideTable {
    let heaps = std::iter::once(first).chain(others.iter().copied()).map(|table| {
        let (name, rows, has_ctid) = heap(table);
        let condition = table.condition.clone();
        Heap { name, rows, condition, has_ctid, bytes: table.bytes, heap_bytes: 0 }
    });
    let format = first.format.clone();
    let places =
        first.key.iter().map(|name| format.columns.iter().position(|column| column == name));
    let key = places.collect::<Option<Vec<usize>>>().unwrap_or_default();
    let (heaps, digested_by, sample) = (heaps.collect(), DigestedBy::Client, String::new());
    SideTable { heaps, format, key, key_kind: KeyKind::Primary, digested_by, sample }
}

/// Reads a table of the target back, or those of its blocks that have the numbers of a part's blocks
/// on the source, and digests it. The slices of all parts make the whole table.
///
/// # Errors
/// What the target said.
pub async fn read_back(
    target: &Session,
    table: &TablePlan,
    (read_back, slice): (&ReadBack, Option<&Part>),
    counters: &Counters,
) -> Result<TableDigest, Error> {
    let (table, pace) = (on_target(table, read_back), Pace::new(None));
    let reading = Reading { session: target, table: &table, counters, pace: &pace };
    let blocks = slice.map(|part| Blocks { from: part.from, until: part.until });
    reading.digest(0, blocks.unwrap_or_default()).await
}

/// Reads whole tables of the target back, all asked for together, and digests each.
///
/// # Errors
/// What the target said.
pub(crate) async fn read_all_back(
    target: &Session,
    tables: &[(&TablePlan, &ReadBack)],
    counters: &Counters,
) -> Result<Vec<TableDigest>, Error> {
    let sides: Vec<SideTable> =
        tables.iter().map(|(table, read_back)| on_target(table, read_back)).collect();
    let heaps = || sides.iter().filter_map(|side| Some((side, side.heaps.first()?)));
    let statements =
        heaps().map(|(side, heap)| (format!("read `{}`", heap.name), side.statement(heap)));
    let mut streams = target.copy_outs(statements.collect()).await?;
    let pace = Pace::new(None);
    let mut digests = Vec::with_capacity(tables.len());
    for (side, heap) in heaps() {
        let Some(stream) = streams.next().await else { break };
        let (doing, stream) = stream?;
        let reading = Reading { session: target, table: side, counters, pace: &pace };
        digests.push(reading.digest_of((&doing, heap), stream).await?);
    }
    Ok(digests)
}

/// Counts the rows of tables of the target, all in one round trip.
///
/// # Errors
/// What the target said.
pub(crate) async fn count_all(
    target: &Session,
    tables: &[(&TablePlan, &ReadBack)],
) -> Result<Vec<TableDigest>, Error> {
    let counts = tables.iter().map(|(table, read_back)| count(target, table, read_back));
    futures::future::join_all(counts).await.into_iter().collect()
}

/// Counts the rows of a table of the target.
///
/// # Errors
/// What the target said.
pub async fn count(
    target: &Session,
    table: &TablePlan,
    read_back: &ReadBack,
) -> Result<TableDigest, Error> {
    let (table, pace) = (on_target(table, read_back), Pace::new(None));
    let counters = Counters::default();
    Reading { session: target, table: &table, counters: &counters, pace: &pace }
        .count(0, Blocks::default())
        .await
}
