//! Names of `NOT NULL` constraints that `pg_dump` 18 forgets to quote.
//!
//! Where an inherited column has such a constraint with a name that is not the default one,
//! `pg_dump` (18.6, tried) writes `CONSTRAINT name NOT NULL column` with the bare name. A name in
//! capitals arrives in small letters then, one with a blank is a syntax error, a crafted one can
//! be a statement. So the names are read from the catalog and quoted here.

use super::entry::{Entry, Kind};
use super::scan::{TokenKind, scan};
use super::shape::is_sound;
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// A `NOT NULL` constraint whose name needs quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotNullName {
    /// The table.
    pub table: RelationName,
    /// The constraint.
    pub constraint: Ident,
    /// Its column.
    pub column: Ident,
}

/// Reads them from a source. There are none before 18.
///
/// # Errors
/// What the server said.
pub async fn not_null_names(source: &Session) -> Result<Vec<NotNullName>, Error> {
    if !source.version().at_least(18) {
        return Ok(Vec::new());
    }
    let rows = source
        .query(
            "read the names of NOT NULL constraints",
            include_str!("not_null_names/unusual.sql"),
            &[],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| NotNullName {
            table: RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1)),
            constraint: Ident::new(row.get::<_, String>(2)),
            column: Ident::new(row.get::<_, String>(3)),
        })
        .collect())
}

/// Quotes the names where they stand bare.
pub fn quote_not_null_names(entries: &mut [Entry], names: &[NotNullName]) {
    if names.is_empty() {
        return;
    }
    for entry in entries {
        if !matches!(entry.kind, Kind::Table | Kind::ForeignTable) {
            continue;
        }
        let is_of = |name: &&NotNullName| {
            Some(name.table.schema.as_str()) == entry.namespace()
                && name.table.name.as_str() == entry.tag
        };
        let mut statement = entry.clone();
        let mut bare: Vec<&NotNullName> = names.iter().filter(is_of).collect();
        // One bare name can hide those behind it, until it is quoted.
        while let Some((at, quoted)) = bare
            .iter()
            .enumerate()
            .find_map(|(at, name)| Some((at, quote_one(&statement.defn, name)?)))
        {
            statement.defn = quoted;
            bare.swap_remove(at);
        }
        // Otherwise it stays as it was and is refused as a whole.
        if is_sound(&statement) {
            *entry = statement;
        }
    }
}

/// The statement with one name quoted, at the one place where that makes it a constraint's name.
fn quote_one(definition: &str, name: &NotNullName) -> Option<String> {
    let bare = name.constraint.as_str();
    let columns = [name.column.as_str().to_owned(), name.column.quoted()];
    columns.iter().find_map(|column| {
        let wanted = format!("CONSTRAINT {bare} NOT NULL {column}");
        definition.match_indices(&wanted).find_map(|(at, _)| {
            let start = at + "CONSTRAINT ".len();
            let quoted = name.constraint.quoted();
            let before = format!("{}{quoted}", &definition[..start]);
            let tokens = scan(&before)?;
            let [.., keyword, last] = tokens.as_slice() else { return None };
            let is_name = keyword.is_word("CONSTRAINT")
                && last.kind == TokenKind::QuotedName
                && last.start == start;
            is_name.then(|| before + &definition[start + bare.len()..])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    fn quoted(defn: &str, names: &[(&str, &str)]) -> String {
        let mut table = entry(Kind::Table, defn);
        (table.namespace, table.tag) = (Some("a".to_owned()), "t".to_owned());
        let names: Vec<NotNullName> = names
            .iter()
            .map(|(constraint, column)| NotNullName {
                table: RelationName::new("a", "t"),
                constraint: Ident::new(*constraint),
                column: Ident::new(*column),
            })
            .collect();
        let mut entries = [table];
        quote_not_null_names(&mut entries, &names);
        entries[0].defn.clone()
    }

    #[test]
    fn bare_names_are_quoted_whatever_they_are() {
        let crafted = "x NOT NULL b);ALTER ROLE r SUPERUSER;CREATE TABLE a.y(CONSTRAINT w";
        assert_eq!(
            quoted(
                &format!(
                    "CREATE TABLE a.t (\n    c text DEFAULT 'CONSTRAINT Mixed NOT NULL d'::text,\n    CONSTRAINT Mixed NOT NULL d,\n    CONSTRAINT {crafted} NOT NULL b,\n    CONSTRAINT it's; -- NOT NULL \"E\"\n)\nINHERITS (a.p);\n"
                ),
                &[("Mixed", "d"), (crafted, "b"), ("it's; --", "E")]
            ),
            format!(
                "CREATE TABLE a.t (\n    c text DEFAULT 'CONSTRAINT Mixed NOT NULL d'::text,\n    CONSTRAINT \"Mixed\" NOT NULL d,\n    CONSTRAINT \"{crafted}\" NOT NULL b,\n    CONSTRAINT \"it's; --\" NOT NULL \"E\"\n)\nINHERITS (a.p);\n"
            )
        );
    }

    #[test]
    fn quoted_names_stay() {
        let defn = "CREATE TABLE a.t (\n    b integer CONSTRAINT \"Mixed\" NOT NULL\n);\n";
        assert_eq!(quoted(defn, &[("Mixed", "b")]), defn);
    }
}
