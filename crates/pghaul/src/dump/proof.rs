//! Pieces of a dump whose snapshot is gone, read again on the source and held against the archive.
//!
//! Invariant: nothing is added to the archive under the new snapshot before all of this has passed.

use std::collections::BTreeSet;

use super::work::Dumping;
use crate::error::{Error, ErrorKind};
use crate::transfer::{again, large_objects};

/// Reads everything again that is in the archive.
pub(super) async fn all(dumping: &Dumping) -> Result<(), Error> {
    let session = dumping.open_reader("reverify").await?;
    let mut changed: BTreeSet<String> = BTreeSet::new();
    for part in &dumping.plan.parts {
        let (there, digest, end) = {
            let pieces = &dumping.facts().pieces;
            let number = part.id.0;
            (!pieces.of_part(number).is_empty(), pieces.digest(number), pieces.resume_at(number))
        };
        let table = &dumping.plan.tables[part.table];
        let told = (&dumping.pace, dumping.counters.as_ref());
        if there && again::digest(&session, (table, part), end, told).await? != digest {
            changed.insert(format!("`{}`", table.name));
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
