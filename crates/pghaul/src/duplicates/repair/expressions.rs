//! Functions that the server calls when a row is written, and that need a `search_path`.
//!
//! A session of pghaul has none, so that nobody can put an object of his own in the place of one that
//! a statement names. A function that finds another one by it fails then, as it does in a restore: known
//! before the first row is written, since deleting a row calls none, and putting it back does.

use crate::connect::Session;
use crate::error::Error;
use crate::name::RelationName;

/// What cannot be computed of a table's rows without a `search_path`.
pub(super) async fn without_a_path(
    session: &Session,
    (oid, name): (i64, &RelationName),
    refused: &mut Vec<String>,
) -> Result<(), Error> {
    let doing = format!("look what is computed of rows of `{name}`");
    for row in session.query(&doing, include_str!("expressions.sql"), &[&oid]).await? {
        let expression: String = row.get(0);
        let sql = format!("select ({expression}) is null from only {} limit 1", name.quoted());
        let Err(error) = session.query(&doing, &sql, &[]).await else { continue };
        // Undefined functions, tables, types: what is wrong with a value may be right of other rows.
        if !matches!(error.sqlstate(), Some("42883" | "42P01" | "42704")) {
            if session.is_closed() {
                return Err(error);
            }
            continue;
        }
        let why = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), ToString::to_string);
        refused.push(format!(
            "{name}: {expression} cannot be computed without a search_path: {why} (give the function its \
             own: ALTER FUNCTION … SET search_path = …)"
        ));
    }
    Ok(())
}
