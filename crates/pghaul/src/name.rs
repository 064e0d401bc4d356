//! Names of database objects, and the only place that quotes them.
//!
//! Invariant: a name is kept as the catalog holds it; quotes exist only in text made by
//! [`Ident::quoted`], [`RelationName::quoted`] and [`literal`].

pub(crate) mod given;

use std::fmt;

use serde::{Deserialize, Serialize};

/// One identifier, as `pg_catalog` holds it: any bytes but NUL, at most 63 of them by default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ident(String);

impl Ident {
    /// Takes a name as the catalog holds it, without quotes.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name without quotes, as the catalog holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in double quotes, inner quotes doubled: always quoted, so that no list of
    /// keywords of any version is needed.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A relation by schema and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationName {
    /// The schema.
    pub schema: Ident,
    /// The name inside the schema.
    pub name: Ident,
}

impl RelationName {
    /// A relation by schema and name, both as the catalog holds them.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Ident::new(schema), name: Ident::new(name) }
    }

    /// `"schema"."name"`, ready to stand in a statement.
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

/// For people: `schema.name` without quotes. Never put this into a statement.
impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A string literal for a statement that cannot take parameters. Safe under either setting of
/// `standard_conforming_strings`: a text with a backslash becomes an `E''` literal.
pub fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_doubled() {
        assert_eq!(Ident::new("a\"b").quoted(), "\"a\"\"b\"");
        assert_eq!(RelationName::new("S", "t.x").quoted(), "\"S\".\"t.x\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
    }
}
