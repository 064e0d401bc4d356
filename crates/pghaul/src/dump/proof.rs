//! Pieces of a dump whose snapshot is gone, read again on the source and held against the archive.
//!
//! Invariant: nothing is added to the archive under the new snapshot before all of this has passed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use pghaul_rows::TableDigest;
use pghaul_rows::reader::{Digesting, RowReader};

use super::work::Dumping;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::plan::Part;
use crate::transfer::{broken, large_objects};

/// Reads everything again that is in the archive.
pub(super) async fn all(dumping: &Dumping) -> Result<(), Error> {
    let session = dumping.open_reader("reverify").await?;
    let mut changed: BTreeSet<String> = BTreeSet::new();
    for part in &dumping.plan.parts {
        let (there, digest) = {
            let pieces = &dumping.facts().pieces;
            (!pieces.of_part(part.id.0).is_empty(), pieces.digest(part.id.0))
        };
        if there && again(dumping, &session, part).await? != digest {
            changed.insert(format!("`{}`", dumping.plan.tables[part.table].name));
        }
    }
    let batches = dumping.facts().batches.clone();
    for (batch, digest) in batches {
        let oids = dumping.oids_of(batch);
        let now = large_objects::digest(&session, &oids, &dumping.counters).await;
        match now {
            Ok(now) if now == digest.to_string() => {}
            Err(error) if error.sqlstate() != Some("42704") => return Err(error),
            _ => {
                changed.insert("large objects".to_owned());
            }
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = changed.into_iter().collect();
    Err(Error::new(
        ErrorKind::SnapshotGone,
        format!(
            "source: changed since the dump began, and its snapshot is gone: {}",
            names.join(", ")
        ),
    )
    .with_hint(
        "remove the folder and begin again; hold the moment with `pghaul snapshot` next time",
    ))
}

/// The digest of the rows of a part that are in the archive.
async fn again(dumping: &Dumping, session: &Session, part: &Part) -> Result<TableDigest, Error> {
    let table = &dumping.plan.tables[part.table];
    let end = dumping.facts().pieces.resume_at(part.id.0);
    let mut part = part.clone();
    if let Some(end) = end {
        // Up to and with the block in which the next piece begins; its own rows are left out below.
        part.until = Some(end.block.saturating_add(1));
    }
    let layout =
        if table.has_ctid { &table.format.layout } else { &table.format.layout_without_ctid };
    let doing = format!("read `{}` again", table.name);
    let mut stream = Box::pin(session.copy_out(&doing, &table.read_statement(&part, None)).await?);
    let mut reader = RowReader::new(Arc::clone(layout), Digesting::Sha256);
    let mut digest = TableDigest::default();
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| session.error(&doing, &error))?;
        reader.feed(message).map_err(|error| broken(table, error))?;
        let taken = reader.each_row(|row| {
            let counts = !matches!((row.ctid, end), (Some(ctid), Some(end)) if ctid >= end);
            if let (true, Some(row)) = (counts, row.digest) {
                digest.add_row(row);
            }
            Ok(())
        });
        taken.map_err(|error| broken(table, error))?;
    }
    reader.finish().map_err(|error| broken(table, error))?;
    Ok(digest)
}
