//! Removes what repairs keep for undo.

use super::state;
use crate::connect::{Endpoint, Purpose};
use crate::error::{Error, ErrorKind};

/// Removes what repairs of this database keep for undo: they cannot be undone any more.
///
/// # Errors
/// [`ErrorKind::RunState`] when a repair is at work, or unfinished; [`ErrorKind::Connect`].
pub async fn forget(database: &Endpoint) -> Result<(), Error> {
    let session = database.connect(Purpose::Write, "forget undo").await?;
    state::claim(&session).await?;
    let known = state::load(&session).await?;
    if known.iter().any(|repair| !repair.finished && !repair.undone) {
        return Err(Error::new(ErrorKind::RunState, "a repair of this database is not finished")
            .with_hint("go on with its plan, or take it back with `pghaul duplicates undo`"));
    }
    if known.is_empty() && !state::is_present(&session).await? {
        return Ok(());
    }
    let sql = format!("begin; {} commit", include_str!("drop.sql"));
    session.batch("forget how to undo repairs", &sql).await
}
