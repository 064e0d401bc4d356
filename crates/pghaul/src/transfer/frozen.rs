//! Tables that go in frozen: nothing has to visit their rows again to note that they are visible,
//! neither reading back nor a later VACUUM (Postgres manual, `COPY`, FREEZE).
//!
//! Such a COPY stands behind a TRUNCATE in its transaction.
//!
//! Invariants: only tables that the run has made, and only those in which nothing is, whoever wrote
//! it; a courtesy, never a condition: where somebody else is at the table, its rows go in as others.

use super::PIECE_BYTES;
use super::piece::doing;
use crate::connect::Session;
use crate::error::Error;
use crate::plan::{Part, TablePlan};

/// Bytes of a table below which new files cost more than frozen rows save.
const FROZEN_FROM: u64 = 1 << 20;

/// Whether the rows of a part should go in frozen: it is all of a table that the run has made, and
/// one piece.
pub(crate) fn goes_in_frozen(table: &TablePlan, part: &Part) -> bool {
    let whole = part.from.is_none() && part.until.is_none() && table.written_to == table.name;
    let worth_it = table.bytes >= FROZEN_FROM && part.bytes <= PIECE_BYTES;
    whole && worth_it && table.is_new && table.has_ctid
}

/// Begins a transaction that has an empty table for itself; false, and none is begun, where it
/// cannot at once.
pub(super) async fn begin(target: &Session, table: &TablePlan) -> Result<bool, Error> {
    let name = table.written_to.quoted();
    let sql = format!(
        "begin; lock table only {name} in access exclusive mode nowait; \
         select exists (select from only {name})"
    );
    let doing = doing(table);
    match target.simple_rows(&doing, &sql).await {
        Ok(rows) if rows == [[Some("f".to_owned())]] => return Ok(true),
        Err(error) if error.connection_lost() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    target.batch(&doing, "rollback").await?;
    Ok(false)
}
