//! What a foreign key says of the rows of its table, and which of them break it.
//!
//! Invariant: values are compared by the key's own operators, and only rows that the key is about: those
//! of a table by inheritance are not its parent's.

use tokio_postgres::Row;

use crate::name::{Ident, RelationName};

/// How rows of one table refer to rows of another.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) child: RelationName,
    pub(crate) parent: RelationName,
    child_only: bool,
    parent_only: bool,
    pub(crate) columns: Vec<Ident>,
    referred: Vec<Ident>,
    operators: Vec<String>,
    /// The last columns are periods: what they overlap together has to cover them (manual, CREATE TABLE).
    of_period: bool,
}

impl Reference {
    /// From ten columns of a row, from this one on: schema and name of the table that refers and of the
    /// one that it refers to, whether each is an ordinary table, columns, those that they refer to, and
    /// the operators between both, and whether it is about periods.
    pub(crate) fn from_row(row: &Row, first: usize) -> Self {
        let idents = |names: Vec<String>| names.into_iter().map(Ident::new).collect::<Vec<_>>();
        let name =
            |at: usize| RelationName::new(row.get::<_, String>(at), row.get::<_, String>(at + 1));
        Self {
            child: name(first),
            parent: name(first + 2),
            child_only: row.get(first + 4),
            parent_only: row.get(first + 5),
            columns: idents(row.get(first + 6)),
            referred: idents(row.get(first + 7)),
            operators: row.get(first + 8),
            of_period: row.get(first + 9),
        }
    }

    /// The rows that refer to nothing, called `c`: the clauses of a query behind what it selects.
    pub(crate) fn orphans(&self) -> String {
        let only = |only: bool| if only { "only " } else { "" };
        let present: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("c.{} is not null", column.quoted()))
            .collect();
        let pairs = self.columns.iter().zip(&self.referred).zip(&self.operators);
        let joined: Vec<String> = pairs
            .map(|((column, key), operator)| {
                format!("p.{} {operator} c.{}", key.quoted(), column.quoted())
            })
            .collect();
        let found = format!(
            "from {}{} p where {}",
            only(self.parent_only),
            self.parent.quoted(),
            joined.join(" and ")
        );
        let refers_to_nothing = match (self.columns.last(), self.referred.last()) {
            (Some(column), Some(key)) if self.of_period => format!(
                "((select pg_catalog.range_agg(p.{}) {found}) operator(pg_catalog.@>) c.{}) is not true",
                key.quoted(),
                column.quoted()
            ),
            _ => format!("not exists (select {found})"),
        };
        format!(
            "from {}{} c where {} and {refers_to_nothing}",
            only(self.child_only),
            self.child.quoted(),
            present.join(" and ")
        )
    }
}
