//! What the entries would make on the target, to see beforehand what is in the way and what it
//! needs.

use std::collections::BTreeSet;

use super::adapt::{begins_with, position_of};
use super::edit::List;
use super::entry::{Entry, Kind};
use super::scan::{Token, scan, statements};
use super::step::is_skipped;
use crate::connect::Session;
use crate::error::Error;

/// An object that will be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its kind, as `pg_dump` calls it.
    pub kind: String,
    /// Its schema, if it is in one.
    pub namespace: Option<String>,
    /// Its name; with argument types for functions, as in [`Entry::tag`].
    pub tag: String,
}

/// The objects that these entries make and that could be there already: not what belongs to a
/// table, and not extensions, which are made unless they are there.
pub fn objects(entries: &[Entry]) -> Vec<Object> {
    entries
        .iter()
        .filter(|entry| !is_skipped(entry) && !entry.is_remark())
        .filter(|entry| {
            matches!(
                entry.kind,
                Kind::AccessMethod
                    | Kind::Aggregate
                    | Kind::Collation
                    | Kind::Conversion
                    | Kind::Domain
                    | Kind::EventTrigger
                    | Kind::ForeignDataWrapper
                    | Kind::ForeignTable
                    | Kind::Function
                    | Kind::Index
                    | Kind::MaterializedView
                    | Kind::Procedure
                    | Kind::ProceduralLanguage
                    | Kind::Publication
                    | Kind::Schema
                    | Kind::Sequence
                    | Kind::Server
                    | Kind::ShellType
                    | Kind::Statistics
                    | Kind::Subscription
                    | Kind::Table
                    | Kind::TextSearchConfiguration
                    | Kind::TextSearchDictionary
                    | Kind::TextSearchParser
                    | Kind::TextSearchTemplate
                    | Kind::Type
                    | Kind::View
            )
        })
        .map(|entry| Object {
            kind: entry.kind.name().to_owned(),
            namespace: entry.namespace().map(str::to_owned),
            tag: entry.tag.clone(),
        })
        .collect()
}

/// Those of the objects that the target has already, or has something else of that name where
/// only one can be.
///
/// # Errors
/// What the server said.
pub async fn existing(target: &Session, objects: &[Object]) -> Result<Vec<Object>, Error> {
    let of = |field: fn(&Object) -> &str| -> Vec<&str> { objects.iter().map(field).collect() };
    let kinds = of(|object| &object.kind);
    let namespaces = of(|object| object.namespace.as_deref().unwrap_or_default());
    let tags = of(|object| &object.tag);
    let sql = target.version().sql(include_str!("objects/existing.sql"));
    let rows =
        target.query("ask what is there already", &sql, &[&kinds, &namespaces, &tags]).await?;
    let places: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    Ok(objects
        .iter()
        .zip(1_i64..)
        .filter(|(_, place)| places.contains(place))
        .map(|(object, _)| object.clone())
        .collect())
}

/// The tablespaces that the entries name.
pub fn tablespaces(entries: &[Entry]) -> BTreeSet<String> {
    entries
        .iter()
        .filter_map(|entry| entry.tablespace.clone())
        .filter(|tablespace| !tablespace.is_empty())
        .collect()
}

/// The table access methods that the entries name.
pub fn table_access_methods(entries: &[Entry]) -> BTreeSet<String> {
    entries
        .iter()
        .filter_map(|entry| entry.table_am.clone())
        .filter(|method| !method.is_empty())
        .collect()
}

/// The extensions that the entries make.
pub fn extensions(entries: &[Entry]) -> BTreeSet<String> {
    let extensions = entries.iter().filter(|entry| entry.kind == Kind::Extension);
    extensions.map(|entry| entry.tag.clone()).collect()
}

/// Why a plain server lets only a superuser make what an entry says, if that is so (tried on 18;
/// Postgres manual, each statement's notes). Providers let their administrators make some of it.
/// Extensions are not looked at: which ones are trusted, the target's catalog knows.
pub fn superuser_only(entry: &Entry) -> Option<&'static str> {
    let all_tables = ["FOR ALL TABLES", "FOR TABLES IN SCHEMA"];
    match entry.kind {
        Kind::AccessMethod => Some("access methods"),
        Kind::EventTrigger => Some("event triggers"),
        Kind::ForeignDataWrapper => Some("foreign-data wrappers"),
        Kind::OperatorClass | Kind::OperatorFamily => Some("operator classes and families"),
        Kind::TextSearchParser | Kind::TextSearchTemplate => {
            Some("text search parsers and templates")
        }
        Kind::PublicationSchema => Some(all_tables[1]),
        Kind::Acl if entry.namespace() == Some("pg_catalog") => Some("privileges in pg_catalog"),
        Kind::ShellType => Some("base types"),
        Kind::Type
        | Kind::Function
        | Kind::Procedure
        | Kind::Cast
        | Kind::Publication
        | Kind::ProceduralLanguage
        | Kind::Transform => {
            let tokens = scan(&entry.defn)?;
            by_statement(&entry.kind, statements(&tokens).first()?)
        }
        _ => None,
    }
}

fn by_statement(kind: &Kind, tokens: &[Token<'_>]) -> Option<&'static str> {
    let has = |words: &[&str]| position_of(tokens, words).is_some();
    match kind {
        Kind::Type => {
            let open = tokens.iter().position(|token| token.is_symbol('('))?;
            let options = List::in_brackets(tokens, open);
            let base =
                options.elements.iter().any(|one| begins_with(&tokens[one.clone()], &["INPUT"]));
            (base && !has(&["AS"])).then_some("base types")
        }
        Kind::Function | Kind::Procedure => {
            let language = position_of(tokens, &["LANGUAGE"]).and_then(|at| tokens.get(at + 1));
            let language = language.and_then(Token::name)?;
            ["c", "internal"].contains(&language.as_str()).then_some("functions in C")
        }
        Kind::Cast => (has(&["WITHOUT", "FUNCTION"]) || has(&["WITH", "INOUT"]))
            .then_some("casts without a function"),
        Kind::Publication => {
            has(&["FOR", "ALL", "TABLES"]).then_some("publications for all tables")
        }
        Kind::ProceduralLanguage => Some("languages"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    #[test]
    fn what_only_a_superuser_may_make() {
        let why = |kind, defn: &str| superuser_only(&entry(kind, defn));
        for (kind, defn) in [
            (
                Kind::Type,
                "CREATE TYPE a.b (\n    INTERNALLENGTH = 4,\n    INPUT = a.in,\n    OUTPUT = a.out\n);",
            ),
            (
                Kind::Function,
                "CREATE FUNCTION a.f(internal) RETURNS cstring\n    LANGUAGE c\n    AS 'x';",
            ),
            (
                Kind::Function,
                "CREATE FUNCTION \"a\".\"f\"(\"internal\") RETURNS \"cstring\"\n    LANGUAGE \"internal\"\n    AS 'x';",
            ),
            (Kind::Cast, "CREATE CAST (a.b AS text) WITH INOUT;"),
            (Kind::Publication, "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');"),
            (Kind::OperatorClass, ""),
        ] {
            assert!(why(kind, defn).is_some(), "{defn}");
        }
        for (kind, defn) in [
            (Kind::Type, "CREATE TYPE a.b AS (\n    input integer\n);"),
            (Kind::Type, "CREATE TYPE a.b AS ENUM (\n    'INPUT'\n);"),
            (
                Kind::Function,
                "CREATE FUNCTION a.f() RETURNS text\n    LANGUAGE sql\n    AS $$ select 'LANGUAGE c' $$;",
            ),
            (Kind::Publication, "CREATE PUBLICATION p WITH (publish = 'insert');"),
            (Kind::Table, "CREATE TABLE a.t ();"),
        ] {
            assert_eq!(why(kind, defn), None, "{defn}");
        }
    }
}
