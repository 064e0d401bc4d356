//! Beginning again: drops exactly what a run's receipts say it created, and nothing else.
//!
//! Invariants: never CASCADE; what somebody else has built upon our objects stops the drop with
//! the server's own words, and what somebody has dropped already does not; it is one transaction
//! with the state of the run that begins, so until then, and whatever stands in its way, everything
//! stays as it was. Only where the server's lock table cannot hold all objects at once it is several,
//! each with its receipts: then the state says so from the first on, and nothing but beginning again
//! goes on from there.

use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::literal;

/// Statements of one message: bounded, so that a run of 100,000 objects needs no huge text.
const STATEMENTS_A_MESSAGE: usize = 200;

/// Objects dropped in one transaction where all of them are too many. The smallest lock table
/// (`max_locks_per_transaction` 10) has room for the table with its index, its TOAST table and
/// their like of each.
const OBJECTS_A_TRANSACTION: usize = 16;

/// What the state of a run says whose objects are half dropped.
pub(super) const PHASE: &str = "restarting";

const DOING: &str = "drop what the run has created";

/// What the run has created.
struct Created {
    /// The receipt.
    step: String,
    /// What drops it.
    drop: String,
}

/// Drops the objects of the run in the target, and its state. Leaves the transaction open: it is
/// committed with the state of the new run, or ends with the session.
pub(super) async fn drop_what_was_created(control: &Session) -> Result<(), Error> {
    let created: Vec<Created> = control
        .query(
            "read what the run has created",
            "select id, undo from pghaul.step where undo <> '' order by place desc",
            &[],
        )
        .await?
        .into_iter()
        .map(|row| Created { step: row.get(0), drop: row.get(1) })
        .collect();
    if let Err(error) = at_once(control, &created).await {
        control.batch(DOING, "rollback").await?;
        if !is_too_many_locks(&error) {
            return Err(in_the_way(error));
        }
        one_after_the_other(control, &created).await?;
        control.batch(DOING, "begin").await?;
    }
    // The state's own tables are known by name, so this needs no CASCADE either.
    control.batch(DOING, include_str!("../state/drop.sql")).await
}

async fn at_once(control: &Session, created: &[Created]) -> Result<(), Error> {
    control.batch(DOING, "begin").await?;
    for some in created.chunks(STATEMENTS_A_MESSAGE) {
        drop_what_is_there(control, some).await?;
    }
    Ok(())
}

/// Inside a transaction. What somebody has dropped already is in nobody's way.
async fn drop_what_is_there(control: &Session, some: &[Created]) -> Result<(), Error> {
    let all = format!("savepoint several;\n{};\nrelease several", drops(some));
    match control.batch(DOING, &all).await {
        Err(error) if is_gone(&error) => {}
        other => return other,
    }
    control.batch(DOING, "rollback to several").await?;
    for one in some {
        let alone = format!("savepoint one;\n{};\nrelease one", one.drop);
        match control.batch(DOING, &alone).await {
            Err(error) if is_gone(&error) => {
                control.batch(DOING, "rollback to one; release one").await?;
            }
            other => other?,
        }
    }
    control.batch(DOING, "release several").await
}

async fn one_after_the_other(control: &Session, created: &[Created]) -> Result<(), Error> {
    let phase = "update pghaul.run set phase = $1, finished = null";
    control.execute(DOING, phase, &[&PHASE]).await?;
    for some in created.chunks(OBJECTS_A_TRANSACTION) {
        let receipts: Vec<String> = some.iter().map(|one| literal(&one.step)).collect();
        let forget =
            format!("delete from pghaul.step where id in ({});\ncommit", receipts.join(", "));
        let dropped = async {
            control.batch(DOING, "begin").await?;
            drop_what_is_there(control, some).await?;
            control.batch(DOING, &forget).await
        };
        if let Err(error) = dropped.await {
            control.batch(DOING, "rollback").await?;
            return Err(if is_too_many_locks(&error) {
                error.with_kind(ErrorKind::RunState).with_hint(
                    "raise max_locks_per_transaction on the target and restart it, then use --restart again",
                )
            } else {
                in_the_way(error)
            });
        }
    }
    Ok(())
}

fn drops(some: &[Created]) -> String {
    some.iter().map(|one| one.drop.as_str()).collect::<Vec<_>>().join(";\n")
}

/// The object, or the table or schema that it was in, is not there: undefined function, table, object
/// and schema (Postgres manual, appendix A).
fn is_gone(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("42883" | "42P01" | "42704" | "3F000"))
}

/// SQLSTATE 53200, which the server gives for its lock table too.
fn is_too_many_locks(error: &Error) -> bool {
    error.sqlstate() == Some("53200")
}

fn in_the_way(error: Error) -> Error {
    error.with_kind(ErrorKind::RunState).with_hint(
        "something else depends on what the run created; remove that, or use an empty database",
    )
}
