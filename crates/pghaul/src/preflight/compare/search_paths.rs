//! Indexes that cannot be built without a search path.
//!
//! From 17 on the server builds indexes under a safe search path of its own (Postgres manual, release
//! notes of 17), and a function in SQL whose body names things without their schema finds nothing then.
//! Of extensions, which their newer versions mend, nothing is said.

use super::rows;
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::name::RelationName;
use crate::preflight::{Intent, rules};
use crate::version::ServerVersion;

/// What the server says of names that it does not find (Postgres manual, appendix A).
const UNDEFINED: &[&str] = &["42883", "42P01", "42703", "42704", "3F000"];

pub(super) async fn both(
    source: &Session,
    target: ServerVersion,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    if !target.at_least(17) {
        return Ok(());
    }
    let sql = include_str!("../index_functions.sql");
    for row in rows(source, "look what indexes call", sql).await? {
        let table = RelationName::new(row.text(0), row.text(1));
        if !(intent.wanted)(&table) {
            continue;
        }
        // The planner looks into the functions, whatever is asked for, and with an empty search path.
        let doing = format!("plan a query of `{table}`");
        let sql = format!("explain select from only {}", table.quoted());
        let Err(error) = source.simple_rows(&doing, &sql).await else { continue };
        match error.sqlstate() {
            Some(state) if UNDEFINED.contains(&state) => {}
            Some(_) => continue,
            None => return Err(error),
        }
        let message = format!(
            "its index {} calls {}, which finds what it needs by a search path, and the target builds \
             indexes without one",
            RelationName::new(row.text(0), row.text(2)),
            row.text(3)
        );
        findings.push(rules::INDEX_SEARCH_PATH.found(message).about(&table));
    }
    Ok(())
}
