//! What to do about statements that name what the server does not have, or has already, and about
//! limits of a server.
//!
//! Invariant: says only what helps with that server and that object; whatever else failed keeps the
//! hint that it has.

use super::work::{Run, Work};
use crate::connect::Side;
use crate::error::Error;
use crate::schema::step::Stage;

/// Undefined functions, tables, columns, objects and schemas (Postgres manual, appendix A).
const UNDEFINED: &[&str] = &["42883", "42P01", "42703", "42704", "3F000"];

/// Objects, tables, functions, schemas and columns of that name are there already.
const THERE: &[&str] = &["42710", "42P07", "42723", "42P06", "42701"];

/// Adds what to do, if that is the trouble and nobody has said it yet.
pub(super) fn advise(run: &Run, work: &Work, error: Error) -> Error {
    if error.hint().is_some() {
        return error;
    }
    match hint(run, &error) {
        Some(hint) => error.with_hint(hint),
        None => advise_about_names(run, work, error),
    }
}

/// What somebody else has done meanwhile, and what a server has no room for.
fn hint(run: &Run, error: &Error) -> Option<String> {
    let (side, state) = (error.side()?, error.sqlstate()?);
    let go_on = run.origin.go_on();
    match state {
        "53200" => Some(format!(
            "if its lock table is full: raise max_locks_per_transaction on the {side} and restart it; \
             then go on with {go_on}"
        )),
        "53400" => Some(format!(
            "raise that limit on the {side}, for this role, its database or the server; then go on with \
             {go_on}"
        )),
        _ if side == Side::Source => None,
        state if THERE.contains(&state) => Some(format!(
            "somebody else has made it meanwhile: drop or rename that, then go on with {go_on}"
        )),
        state if UNDEFINED.contains(&state) => {
            let said = error.in_one_line();
            // A name without its schema is one that the statement's own text has, or a function.
            let gone = run.plan.tables.iter().map(|table| &table.written_to);
            let gone = gone.clone().find(|name| said.contains(&format!("\"{name}\"")))?;
            Some(format!(
                "`{gone}` was dropped or renamed on the target meanwhile: undo that and go on with \
                 {go_on}, or begin again with --restart"
            ))
        }
        _ => None,
    }
}

fn advise_about_names(run: &Run, work: &Work, error: Error) -> Error {
    let undefined = error.sqlstate().is_some_and(|state| UNDEFINED.contains(&state));
    if !undefined {
        return error;
    }
    let made_first =
        matches!(work, Work::Schema(at) if run.steps[*at].step.stage == Stage::PreData);
    let go_on = run.origin.go_on();
    let hint = match error.side() {
        Some(Side::Target) if made_first => "the target's version may not have what it uses: \
            change or drop it on the source, or leave it out with --exclude if it is a table or a view; \
            then begin again with --restart"
            .to_owned(),
        Some(Side::Target) => format!(
            "if a function that it calls names that without a schema: ALTER FUNCTION … SET \
             search_path = … on the target, then go on with {go_on}; else the target's version may not \
             have it"
        ),
        _ => "if a function that an index of it calls names that without a schema: ALTER FUNCTION … \
              SET search_path = … on the source, then begin again with --restart; or leave the table out \
              with --exclude"
            .to_owned(),
    };
    error.with_hint(hint)
}
