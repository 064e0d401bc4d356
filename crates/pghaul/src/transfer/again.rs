//! The finished rows of a part, read again on the source.
//!
//! Invariant: exactly the rows before the place at which the part goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::{TableDigest, Tid};

use super::broken;
use super::pace::Pace;
use crate::connect::Session;
use crate::error::Error;
use crate::event::Counters;
use crate::plan::{Part, TablePlan};

/// Count and sums of the rows before `end`, or of all.
///
/// # Errors
/// What the source said.
pub(crate) async fn digest(
    source: &Session,
    (table, part): (&TablePlan, &Part),
    end: Option<Tid>,
    (pace, counters): (&Pace, &Counters),
) -> Result<TableDigest, Error> {
    let doing = format!("read `{}` again", table.name);
    let mut part = part.clone();
    if let Some(end) = end {
        // Up to and with the block in which the next piece begins; its own rows are left out below.
        part.until = Some(end.block.saturating_add(1));
    }
    // Where all rows count, nobody has to know where they are, nor the digest of each.
    let (layout, statement, digesting) = match end {
        Some(_) if table.has_ctid => {
            (&table.format.layout, table.read_statement(&part, None), Digesting::Sha256)
        }
        _ => {
            let statement = table.read_statement_without_ctid(&part);
            (&table.format.layout_without_ctid, statement, Digesting::Summed)
        }
    };
    source.search(table.format.search_path.as_deref()).await?;
    let mut stream = Box::pin(source.copy_out(&doing, &statement).await?);
    let mut reader = RowReader::new(Arc::clone(layout), digesting);
    let mut digest = TableDigest::default();
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| source.error(&doing, &error))?;
        let length = message.len() as u64;
        counters.bytes_read_again.fetch_add(length, Ordering::Relaxed);
        pace.take(length).await;
        reader.feed(message).map_err(|error| broken(table, error))?;
        let taken = reader.each_row(|row| {
            let goes_on = matches!((row.ctid, end), (Some(ctid), Some(end)) if ctid >= end);
            if let (false, Some(row)) = (goes_on, row.digest) {
                digest.add_row(row);
            }
            Ok(())
        });
        taken.map_err(|error| broken(table, error))?;
    }
    digest.add(reader.take_sum());
    reader.finish().map_err(|error| broken(table, error))?;
    Ok(digest)
}
