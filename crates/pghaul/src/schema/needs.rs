//! What statements need of a server that may not be there: collations of its system, types of its
//! version.
//!
//! Invariant: `pg_dump` names what is not built in with its schema, and collations always, so a
//! name is taken for what it is by its place.

use std::collections::BTreeSet;

use super::edit::List;
use super::entry::{Entry, Kind};
use super::scan::{Token, qualified_name, scan, statements};
use crate::name::RelationName;
use crate::version::ServerVersion;

/// The collations that entries name.
pub(crate) fn collations(entries: &[Entry]) -> BTreeSet<RelationName> {
    let mut found = BTreeSet::new();
    for entry in entries {
        let Some(tokens) = scan(&entry.defn) else { continue };
        for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.is_word("COLLATE")) {
            if let Some([schema, _, name]) = qualified_name(&tokens, at + 1)
                && let (Some(schema), Some(name)) = (schema.name(), name.name())
            {
                found.insert(RelationName::new(schema, name));
            }
        }
    }
    found
}

/// Built-in types of columns that came after 9.6, with the major that brought them (release notes,
/// "Data Types").
const BUILT_IN_SINCE: &[(&str, u32)] = &[
    ("macaddr8", 10),
    ("jsonpath", 12),
    ("xid8", 13),
    ("pg_snapshot", 13),
    ("regcollation", 13),
    ("int4multirange", 14),
    ("int8multirange", 14),
    ("nummultirange", 14),
    ("datemultirange", 14),
    ("tsmultirange", 14),
    ("tstzmultirange", 14),
];

/// A relation or type, a column of it, and the built-in type that the target does not have; with
/// the first major that has it.
pub(crate) type TypeTooNew = (String, &'static str, u32);

/// Tables, composite types and domains made of built-in types that this version does not have.
pub(crate) fn types_too_new(entries: &[Entry], target: ServerVersion) -> Vec<TypeTooNew> {
    let mut found = Vec::new();
    for entry in entries {
        if !matches!(
            entry.kind,
            Kind::Table | Kind::ForeignTable | Kind::Type | Kind::Domain | Kind::MaterializedView
        ) {
            continue;
        }
        let Some(tokens) = scan(&entry.defn) else { continue };
        let Some(statement) = statements(&tokens).into_iter().next() else { continue };
        let types = match entry.kind {
            Kind::Domain => domain_type(statement).into_iter().collect(),
            _ => column_types(statement),
        };
        for (name, since) in BUILT_IN_SINCE {
            if !target.at_least(*since)
                && types.iter().any(|token| token.name().as_deref() == Some(*name))
            {
                found.push((entry.object(), *name, *since));
            }
        }
    }
    found
}

/// `CREATE DOMAIN name AS type …`
fn domain_type<'t, 'a>(statement: &'t [Token<'a>]) -> Option<&'t Token<'a>> {
    let at = statement.iter().position(|token| token.is_word("AS"))?;
    let bare = !statement.get(at + 2).is_some_and(|next| next.is_symbol('.'));
    statement.get(at + 1).filter(|_| bare)
}

/// The first tokens of the types in `(column type …, …)`, where they have no schema.
fn column_types<'t, 'a>(statement: &'t [Token<'a>]) -> Vec<&'t Token<'a>> {
    let Some(open) = statement.iter().position(|token| token.is_symbol('(')) else {
        return Vec::new();
    };
    let list = List::read(statement, open + 1, |token| token.is_symbol(')'));
    let columns = list.elements.into_iter().filter_map(|range| statement.get(range));
    columns
        .filter(|column| !column.get(2).is_some_and(|next| next.is_symbol('.')))
        .filter_map(|column| column.get(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    #[test]
    fn collations_are_found_by_their_place() {
        let table = entry(
            Kind::Table,
            "CREATE TABLE public.t (a text COLLATE pg_catalog.\"de_DE\", \"COLLATE\" int, \
             b text DEFAULT ' COLLATE x.y');",
        );
        let found: Vec<String> = collations(&[table]).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["pg_catalog.de_DE"]);
    }

    #[test]
    fn a_type_is_one_where_a_type_stands() {
        let old = ServerVersion::from_num(130_000);
        let of = |kind: Kind, sql: &str| -> Vec<&'static str> {
            let found = types_too_new(&[entry(kind, sql)], old);
            found.into_iter().map(|(_, name, _)| name).collect()
        };
        let table = "CREATE TABLE public.t (int4multirange integer, b \"datemultirange\"[] NOT NULL, \
                     c public.nummultirange, CONSTRAINT xid8 CHECK ((b IS NOT NULL)));";
        assert_eq!(of(Kind::Table, table), ["datemultirange"]);
        let domain = "CREATE DOMAIN public.d AS tsmultirange CONSTRAINT c CHECK ((VALUE IS NULL));";
        assert_eq!(of(Kind::Domain, domain), ["tsmultirange"]);
        let composite = "CREATE TYPE public.c AS (\n\ta jsonpath,\n\tb int8multirange\n);";
        assert_eq!(of(Kind::Type, composite), ["int8multirange"]);
        let new = ServerVersion::from_num(140_000);
        assert!(types_too_new(&[entry(Kind::Table, table)], new).is_empty());
    }
}
