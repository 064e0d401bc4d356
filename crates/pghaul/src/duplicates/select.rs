//! Which indexes are scanned: `--table` and `--index`.
//!
//! Invariant: a name that fits nothing, or more than one object, is an error of usage that says so.

use std::collections::BTreeSet;

use super::index::IndexDefinition;
use super::moment::ScanOptions;
use crate::catalog::Oid;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// The indexes that belong to these tables, and these indexes; all where nothing is named. Without
/// being named, an index that is part of a partition tree's is left to that.
pub(super) fn select(
    all: Vec<IndexDefinition>,
    relations: &[RelationName],
    options: &ScanOptions,
) -> Result<Vec<IndexDefinition>, Error> {
    if options.tables.is_empty() && options.indexes.is_empty() {
        return Ok(all.into_iter().filter(|index| index.parent.is_none()).collect());
    }
    let wanted_tables: BTreeSet<RelationName> =
        tables_named(relations, options)?.into_iter().collect();
    let mut wanted: BTreeSet<Oid> = BTreeSet::new();
    for text in &options.indexes {
        wanted.insert(one("unique index", text, all.iter(), |index| &index.name)?.oid);
    }
    Ok(all
        .into_iter()
        .filter(|index| wanted.contains(&index.oid) || wanted_tables.contains(&index.table))
        .collect())
}

/// The tables that were named.
pub(super) fn tables_named(
    relations: &[RelationName],
    options: &ScanOptions,
) -> Result<Vec<RelationName>, Error> {
    let find = |text: &String| one("table", text, relations.iter(), |name| name).cloned();
    options.tables.iter().map(find).collect()
}

/// The one object that a name means.
fn one<'a, T>(
    kind: &str,
    text: &str,
    candidates: impl Iterator<Item = &'a T>,
    name: impl Fn(&T) -> &RelationName,
) -> Result<&'a T, Error> {
    let fitting: Vec<&T> = candidates.filter(|candidate| means(text, name(candidate))).collect();
    match fitting.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::new(ErrorKind::Usage, format!("there is no {kind} `{text}`")).with_hint(
            "names are those of the catalog, with or without schema and quotes: `posts`, `public.posts`, `\"My posts\"`",
        )),
        several => {
            let names: Vec<String> =
                several.iter().map(|found| format!("`{}`", name(found))).collect();
            Err(Error::new(
                ErrorKind::Usage,
                format!("`{text}` can be any of {}", names.join(", ")),
            )
            .with_hint("name the schema too"))
        }
    }
}

/// Whether a text means an object: as it is shown, or as SQL would have it.
fn means(text: &str, name: &RelationName) -> bool {
    if text == name.to_string() || text == name.name.as_str() {
        return true;
    }
    let fits = |(part, is_quoted): &(String, bool), name: &str| {
        part == name || !is_quoted && part.to_lowercase() == name
    };
    match parts(text).as_deref() {
        Some([table]) => fits(table, name.name.as_str()),
        Some([schema, table]) => {
            fits(schema, name.schema.as_str()) && fits(table, name.name.as_str())
        }
        _ => false,
    }
}

/// The parts of a name between dots, and whether each stood in quotes.
fn parts(text: &str) -> Option<Vec<(String, bool)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if let Some(inner) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut inner = inner;
            loop {
                let (before, after) = inner.split_once('"')?;
                part.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        inner = more;
                    }
                    None => break ((part, true), after),
                }
            }
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            ((rest[..end].to_owned(), false), &rest[end..])
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_people_write_them() {
        let plain = RelationName::new("public", "posts");
        let odd = RelationName::new("My \"s\"", "a.b");
        for text in
            ["posts", "POSTS", "public.posts", "\"posts\"", "\"public\".posts", "Public.Posts"]
        {
            assert!(means(text, &plain), "{text}");
        }
        for text in ["\"POSTS\"", "public", "posts.", "x.posts", "\"posts", "\"posts\"x", ""] {
            assert!(!means(text, &plain), "{text}");
        }
        for text in ["My \"s\".a.b", "a.b", "\"a.b\"", "\"My \"\"s\"\"\".\"a.b\""] {
            assert!(means(text, &odd), "{text}");
        }
    }

    #[test]
    fn what_can_be_several_is_refused() {
        let names = [RelationName::new("a", "t"), RelationName::new("b", "t")];
        let several = one("table", "t", names.iter(), |name| name).unwrap_err();
        assert_eq!(several.kind(), ErrorKind::Usage);
        assert!(several.to_string().contains("`a.t`, `b.t`"), "{several}");
        assert!(one("table", "b.t", names.iter(), |name| name).is_ok());
        assert!(one("table", "c", names.iter(), |name| name).is_err());
    }
}
