//! Beginning again: drops exactly what a run's receipts say it created, and nothing else.
//!
//! Invariants: never CASCADE; what somebody else has built upon our objects stops the drop with
//! the server's own words; it is one transaction with the state of the run that begins, so until
//! then, and whatever stands in its way, everything stays as it was.

use crate::connect::Session;
use crate::error::{Error, ErrorKind};

/// Statements of one message: bounded, so that a run of 100,000 objects needs no huge text.
const STATEMENTS_A_MESSAGE: usize = 200;

/// Drops the objects of the run in the target, and its state. Leaves the transaction open: it is
/// committed with the state of the new run, or ends with the session.
pub(super) async fn drop_what_was_created(control: &Session) -> Result<(), Error> {
    let rows = control
        .query(
            "read what the run has created",
            "select undo from pghaul.step where undo <> '' order by place desc",
            &[],
        )
        .await?;
    let statements: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let doing = "drop what the run has created";
    control.batch(doing, "begin").await?;
    for batch in statements.chunks(STATEMENTS_A_MESSAGE) {
        if let Err(error) = control.batch(doing, &batch.join(";\n")).await {
            control.batch(doing, "rollback").await?;
            return Err(error.with_kind(ErrorKind::RunState).with_hint(
                "something else depends on what the run created; remove that, or use an empty database",
            ));
        }
    }
    // The state's own tables are known by name, so this needs no CASCADE either.
    control.batch(doing, include_str!("../state/drop.sql")).await
}
