//! Numbers of rows that a table holds about another: which a repair makes wrong, and how they are
//! counted anew.
//!
//! Invariant: counted in the heap, in one pass for many rows.

use serde::{Deserialize, Serialize};

use super::rules::{Only, State};
use crate::name::{Ident, RelationName, literal};

/// A column that is counted anew, as a plan says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountLine {
    /// The column that holds the number.
    pub column: String,
    /// The column that says of what.
    pub by: String,
    /// The schema of the table whose rows are counted.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its column.
    pub of: String,
    /// Only rows that are like all of this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Only>,
}

impl CountLine {
    /// Counts for the keys `$1`, which are texts of `type_name`: those that have any, and how many.
    pub(super) fn statement(&self, type_name: &str) -> String {
        let mut conditions = String::new();
        for only in &self.only {
            let column = column_of("t", only.column());
            conditions.push_str(" and ");
            conditions.push_str(&match only {
                Only::Is { is, .. } => is_in(&column, *is),
                Only::Not { not, .. } => {
                    let list: Vec<String> = not.iter().map(|value| literal(value)).collect();
                    format!(
                        "pg_catalog.format('%s', {column}) <> all (array[{}]::text[])",
                        list.join(", ")
                    )
                }
            });
        }
        format!(
            "select k.key, pg_catalog.count(*) from only {} as t \
               join pg_catalog.unnest($1::text[]) as k (key) on k.key::{type_name} = {} \
              where true{conditions} group by k.key",
            RelationName::new(&self.schema, &self.table).quoted(),
            column_of("t", &self.of),
        )
    }
}

fn column_of(table: &str, column: &str) -> String {
    format!("{table}.{}", Ident::new(column).quoted())
}

/// Whether a column is in a state, in SQL.
pub(super) fn is_in(column: &str, state: State) -> String {
    match state {
        State::Null => format!("{column} is null"),
        State::NotNull => format!("{column} is not null"),
        State::True => format!("{column} is true"),
        State::Present => {
            format!("({column} is not null and pg_catalog.format('%s', {column}) <> '')")
        }
    }
}
