//! Which rows differ, when two digests do.
//!
//! Invariants: order, collation and keys play no part in finding them: rows are compared by digest,
//! first in 4096 buckets, then one by one within buckets that differ; a doubled row counts as
//! often as it is there; memory is bounded by [`ROWS_HELD`], so when nearly all rows differ only
//! some of them are named.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::{RowDigest, TableDigest, Tid};

use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};
use crate::plan::{Part, PartId, ReadBack, TablePlan};
use crate::transfer::broken;

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The values of the primary key as text; empty for a table without one.
    pub key: Vec<Option<String>>,
    /// Where it lies on the source.
    pub source: Option<Tid>,
    /// Where it lies on the target.
    pub target: Option<Tid>,
}

/// One side of a comparison: a session and the tables to read there.
pub struct Compared<'a> {
    /// The session: on the source inside the snapshot.
    pub session: &'a Session,
    /// The tables, which together hold the rows.
    pub tables: Vec<&'a TablePlan>,
    /// On the target, what is read back instead.
    pub read_back: Option<&'a ReadBack>,
}

/// Buckets of the first pass: the first 12 bits of a row's digest.
const BUCKETS: usize = 4096;

/// Rows held in memory in the second pass, some 64 bytes each.
pub const ROWS_HELD: u64 = 500_000;

impl Compared<'_> {
    /// Calls `each` for every row.
    async fn rows(&self, mut each: impl FnMut(Option<Tid>, RowDigest)) -> Result<(), Error> {
        for table in &self.tables {
            let (name, statement, with_ctid) = match self.read_back {
                Some(read_back) if read_back.with_partitions => {
                    (&read_back.name, table.read_back_statement(read_back, None), false)
                }
                Some(read_back) => {
                    let statement = table.statement_on(&read_back.name);
                    (&read_back.name, statement, table.has_ctid)
                }
                None => {
                    let whole = Part { id: PartId(0), table: 0, from: None, until: None, bytes: 0 };
                    (&table.name, table.read_statement(&whole, None), table.has_ctid)
                }
            };
            let layout =
                if with_ctid { &table.format.layout } else { &table.format.layout_without_ctid };
            let doing = format!("read `{name}` to find the rows that differ");
            let mut stream = Box::pin(self.session.copy_out(&doing, &statement).await?);
            let mut reader = RowReader::new(Arc::clone(layout), Digesting::Sha256);
            while let Some(message) = stream.next().await {
                let message = message.map_err(|error| self.session.error(&doing, &error))?;
                reader.feed(message).map_err(|error| broken(table, error))?;
                while let Some(row) = reader.next_row().map_err(|error| broken(table, error))? {
                    if let Some(digest) = row.digest {
                        each(row.ctid, digest);
                    }
                }
            }
            reader.finish().map_err(|error| broken(table, error))?;
            if self.read_back.is_some() {
                // One read of the root holds the rows of all its leaves.
                break;
            }
        }
        Ok(())
    }

    async fn buckets(&self) -> Result<Vec<TableDigest>, Error> {
        let mut buckets = vec![TableDigest::default(); BUCKETS];
        self.rows(|_, digest| buckets[bucket(digest)].add_row(digest)).await?;
        Ok(buckets)
    }
}

fn bucket(digest: RowDigest) -> usize {
    usize::try_from(digest.0[0] >> 52).unwrap_or(0)
}

/// A row without its twin on the other side.
struct Unpaired {
    /// Copies on the source less copies on the target.
    balance: i64,
    source: Option<Tid>,
    target: Option<Tid>,
}

/// Names rows that differ, at most `limit` of them.
///
/// # Errors
/// What either server said.
pub async fn differences(
    source: Compared<'_>,
    target: Compared<'_>,
    limit: usize,
) -> Result<Vec<Difference>, Error> {
    let (left, right) = futures::try_join!(source.buckets(), target.buckets())?;
    let mut chosen = vec![false; BUCKETS];
    let mut rows = 0;
    for at in (0..BUCKETS).filter(|at| left[*at] != right[*at]) {
        let more = left[at].rows + right[at].rows;
        if rows > 0 && rows + more > ROWS_HELD {
            break;
        }
        rows += more;
        chosen[at] = true;
    }
    let mut unpaired: HashMap<RowDigest, Unpaired> = HashMap::new();
    let empty = || Unpaired { balance: 0, source: None, target: None };
    source
        .rows(|ctid, digest| {
            if chosen[bucket(digest)] {
                let row = unpaired.entry(digest).or_insert_with(empty);
                row.balance += 1;
                row.source = ctid;
            }
        })
        .await?;
    target
        .rows(|ctid, digest| {
            if chosen[bucket(digest)] {
                let row = unpaired.entry(digest).or_insert_with(empty);
                row.balance -= 1;
                row.target = ctid;
            }
        })
        .await?;
    unpaired.retain(|_, row| row.balance != 0);
    let key = source.tables.first().map(|table| table.key.clone()).unwrap_or_default();
    let missing: Vec<Option<Tid>> =
        unpaired.values().filter(|row| row.balance > 0).map(|row| row.source).collect();
    let extra: Vec<Option<Tid>> =
        unpaired.values().filter(|row| row.balance < 0).map(|row| row.target).collect();
    let missing = keys(&source, &key, missing, limit).await?;
    let extra = keys(&target, &key, extra, limit).await?;
    Ok(pair(missing, extra, limit))
}

type Keyed = (Option<Tid>, Vec<Option<String>>);

/// Fetches the keys of rows by where they lie.
async fn keys(
    side: &Compared<'_>,
    key: &[Ident],
    mut tids: Vec<Option<Tid>>,
    limit: usize,
) -> Result<Vec<Keyed>, Error> {
    tids.sort_unstable();
    tids.truncate(limit);
    let name: Option<&RelationName> = match side.read_back {
        Some(read_back) if read_back.with_partitions => None,
        Some(read_back) => Some(&read_back.name),
        None if side.tables.len() == 1 => side.tables.first().map(|table| &table.name),
        None => None,
    };
    let known: Vec<String> = tids.iter().flatten().map(ToString::to_string).collect();
    let (Some(name), false, false) = (name, key.is_empty(), known.is_empty()) else {
        return Ok(tids.into_iter().map(|tid| (tid, Vec::new())).collect());
    };
    let columns: Vec<String> =
        key.iter().map(|column| format!("pg_catalog.format('%s', {})", column.quoted())).collect();
    let sql = format!(
        "select ctid::text, array[{}] from only {} where ctid = any ($1::text[]::pg_catalog.tid[])",
        columns.join(", "),
        name.quoted()
    );
    let rows = side
        .session
        .query(&format!("name the rows of `{name}` that differ"), &sql, &[&known])
        .await?;
    Ok(rows
        .iter()
        .map(|row| (Tid::from_text(row.get::<_, &str>(0).as_bytes()), row.get(1)))
        .collect())
}

fn pair(missing: Vec<Keyed>, extra: Vec<Keyed>, limit: usize) -> Vec<Difference> {
    let mut extra_by_key: HashMap<Vec<Option<String>>, Option<Tid>> = HashMap::new();
    let mut all = Vec::new();
    for (target, key) in extra {
        if key.is_empty() {
            all.push(Difference { kind: DifferenceKind::Extra, key, source: None, target });
        } else {
            extra_by_key.insert(key, target);
        }
    }
    for (source, key) in missing {
        let twin = extra_by_key.remove(&key);
        let kind = if twin.is_some() { DifferenceKind::Changed } else { DifferenceKind::Missing };
        all.push(Difference { kind, key, source, target: twin.flatten() });
    }
    all.extend(extra_by_key.into_iter().map(|(key, target)| Difference {
        kind: DifferenceKind::Extra,
        key,
        source: None,
        target,
    }));
    all.sort_by(|a, b| {
        (&a.key, a.kind, a.source, a.target).cmp(&(&b.key, b.kind, b.source, b.target))
    });
    all.truncate(limit);
    all
}
