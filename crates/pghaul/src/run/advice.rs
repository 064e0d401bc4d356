//! What to do about statements that name what the server does not have.
//!
//! Invariant: says only what helps with that server and that object; whatever else failed keeps the
//! hint that it has.

use super::work::{Run, Work};
use crate::connect::Side;
use crate::error::Error;
use crate::schema::step::Stage;

/// Undefined functions, tables, columns, objects and schemas (Postgres manual, appendix A).
const UNDEFINED: &[&str] = &["42883", "42P01", "42703", "42704", "3F000"];

/// Adds what to do, if that is the trouble and nobody has said it yet.
pub(super) fn advise(run: &Run, work: &Work, error: Error) -> Error {
    let undefined = error.sqlstate().is_some_and(|state| UNDEFINED.contains(&state));
    if !undefined || error.hint().is_some() {
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
