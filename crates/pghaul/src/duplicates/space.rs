//! Whether the digests of a scan will fit the disk, asked before the scan begins.

use std::path::Path;

use pghaul_rows::duplicates::{Relations, spill_bytes};

use super::candidates::failed;
use super::index::UniqueIndex;
use super::statement;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};

/// Refuses a scan of these indexes of a table whose spill is larger than what is free in the folder,
/// by the server's estimate of the rows; each has this budget.
pub(super) async fn check(
    session: &Session,
    indexes: &[&UniqueIndex],
    (relations, budget): (Relations, usize),
    folder: &Path,
) -> Result<(), Error> {
    let Some(table) = indexes.first().map(|index| &index.definition.table) else { return Ok(()) };
    let doing = format!("estimate the rows of `{table}`");
    let (mut most, mut needed) = (0, 0_u64);
    for index in indexes {
        let plan = session.simple_rows(&doing, &statement::explain(index)).await?;
        let rows = plan.first().and_then(|line| rows_of(line.first()?.as_deref()?)).unwrap_or(0);
        let spilled = spill_bytes(relations, rows, budget).map_err(failed)?;
        most = rows.max(most);
        needed = needed.saturating_add(spilled);
    }
    if needed == 0 {
        return Ok(());
    }
    let free = free(folder).map_err(|cause| {
        Error::new(ErrorKind::LocalIo, format!("cannot look at the folder {}", folder.display()))
            .with_hint("name another folder with --spill-dir")
            .caused_by(cause)
    })?;
    if needed <= free {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::LocalIo,
        format!(
            "the digests of some {most} rows of `{table}` need {needed} bytes in {}, where {free} are free",
            folder.display()
        ),
    )
    .with_hint("make room there, name another folder with --spill-dir, or give more --memory"))
}

/// The estimate in the first line of a plan.
fn rows_of(line: &str) -> Option<u64> {
    let (_, after) = line.split_once(" rows=")?;
    after.split(' ').next()?.parse().ok()
}

#[cfg(unix)]
fn free(folder: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Not known: writing will tell.
#[cfg(not(unix))]
fn free(_: &Path) -> std::io::Result<u64> {
    Ok(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_estimate_stands_in_the_first_line() {
        let line = "Seq Scan on t  (cost=0.00..64776.00 rows=3000000 width=6)";
        assert_eq!(super::rows_of(line), Some(3_000_000));
        assert_eq!(super::rows_of("Result"), None);
    }

    #[test]
    fn every_folder_has_room_or_not() {
        assert!(super::free(&std::env::temp_dir()).is_ok());
        assert!(super::free(std::path::Path::new("/nonexistent")).is_err());
    }
}
