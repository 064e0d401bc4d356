//! Proof: the target is read back, since what was sent proves nothing.
//!
//! Invariants: reads the heap only, never an index; compares count and digest of the same columns
//! by the same image; a table that could not be compared is a finding, never silence.

pub mod difference;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::TableDigest;
use pghaul_rows::reader::{Digesting, RowReader};

use crate::connect::Session;
use crate::error::Error;
use crate::event::Counters;
use crate::plan::{Part, ReadBack, TablePlan};
use crate::transfer::broken;

/// Reads a table of the target back, or a slice of it, and digests it.
///
/// # Errors
/// What the target said.
pub async fn read_back(
    target: &Session,
    table: &TablePlan,
    (read_back, slice): (&ReadBack, Option<&Part>),
    counters: &Counters,
) -> Result<TableDigest, Error> {
    let doing = format!("read `{}` back", read_back.name);
    let statement = table.read_back_statement(read_back, slice);
    let mut stream = Box::pin(target.copy_out(&doing, &statement).await?);
    let mut reader =
        RowReader::new(Arc::clone(&table.format.layout_without_ctid), Digesting::Sha256);
    let mut digest = TableDigest::default();
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| target.error(&doing, &error))?;
        counters.bytes_read_back.fetch_add(message.len() as u64, Ordering::Relaxed);
        reader.feed(message).map_err(|error| broken(table, error))?;
        while let Some(row) = reader.next_row().map_err(|error| broken(table, error))? {
            if let Some(row) = row.digest {
                digest.add_row(row);
            }
        }
    }
    reader.finish().map_err(|error| broken(table, error))?;
    Ok(digest)
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
    let row = target
        .query_one(
            &format!("count the rows of `{}`", read_back.name),
            &table.count_statement(read_back),
            &[],
        )
        .await?;
    Ok(TableDigest { rows: crate::catalog::size(row.get(0)), lanes: [0; 2] })
}
