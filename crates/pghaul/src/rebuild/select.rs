//! Which indexes are meant: names of tables and indexes, as people write them.
//!
//! Invariants: a name that means nothing, or more than one thing, is an error; a partitioned table
//! or index means the indexes of all its partitions too.

use std::collections::{BTreeMap, BTreeSet};

use globset::Glob;

use super::index::Index;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// Names of tables and indexes. Each is `name` or `schema.name`, with or without double quotes, or
/// a glob over `schema.name`. None at all: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// All indexes of these tables and materialized views.
    pub tables: Vec<String>,
    /// These indexes.
    pub indexes: Vec<String>,
}

impl Selection {
    /// Whether nothing was named.
    pub fn is_everything(&self) -> bool {
        self.tables.is_empty() && self.indexes.is_empty()
    }

    /// The OIDs of the indexes that are meant.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that no index has, or several.
    pub fn pick(&self, all: &[Index]) -> Result<BTreeSet<u32>, Error> {
        if self.is_everything() {
            return Ok(all.iter().map(|index| index.oid).collect());
        }
        let mut picked = BTreeSet::new();
        for wanted in &self.tables {
            let tables: BTreeMap<&RelationName, Vec<u32>> =
                all.iter().fold(BTreeMap::new(), |mut tables, index| {
                    tables.entry(&index.table).or_insert_with(Vec::new).push(index.oid);
                    tables
                });
            for name in resolve(wanted, "table with an index", tables.keys().copied())? {
                picked.extend(tables.get(name).into_iter().flatten());
            }
        }
        for wanted in &self.indexes {
            let names = resolve(wanted, "index", all.iter().map(|index| &index.name))?;
            picked.extend(
                all.iter().filter(|index| names.contains(&&index.name)).map(|index| index.oid),
            );
        }
        // Down the trees of partitions.
        loop {
            let below: Vec<u32> = all
                .iter()
                .filter(|index| index.parent.is_some_and(|parent| picked.contains(&parent)))
                .filter(|index| !picked.contains(&index.oid))
                .map(|index| index.oid)
                .collect();
            if below.is_empty() {
                return Ok(picked);
            }
            picked.extend(below);
        }
    }
}

/// The names that are meant by one.
fn resolve<'a>(
    wanted: &str,
    what: &str,
    names: impl Iterator<Item = &'a RelationName>,
) -> Result<Vec<&'a RelationName>, Error> {
    let names: Vec<&RelationName> = names.collect();
    let exact: Vec<&RelationName> =
        names.iter().filter(|name| spells(wanted, name)).copied().collect();
    if let [_] = exact.as_slice() {
        return Ok(exact);
    }
    if !exact.is_empty() {
        let all: Vec<String> = exact.iter().map(|name| name.quoted()).collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`{wanted}` means more than one {what}: {}", all.join(", ")),
        )
        .with_hint("give the schema too"));
    }
    let glob = Glob::new(wanted).ok().map(|glob| glob.compile_matcher());
    let matched: Vec<&RelationName> = names
        .into_iter()
        .filter(|name| glob.as_ref().is_some_and(|glob| glob.is_match(name.to_string())))
        .collect();
    if matched.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("there is no {what} `{wanted}`"))
            .with_hint(
                "names are `name` or `schema.name` as the catalog has them, in double quotes or \
                 not, or globs over schema.name",
            ));
    }
    Ok(matched)
}

/// Whether a text is a way to write a name.
fn spells(text: &str, relation: &RelationName) -> bool {
    let ways = |ident: &crate::name::Ident| [ident.as_str().to_owned(), ident.quoted()];
    let (schemas, names) = (ways(&relation.schema), ways(&relation.name));
    names
        .iter()
        .any(|name| name == text || schemas.iter().any(|schema| format!("{schema}.{name}") == text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them() {
        let odd = RelationName::new("My schema", "a\"b.c");
        for text in ["a\"b.c", "\"a\"\"b.c\"", "My schema.a\"b.c", "\"My schema\".\"a\"\"b.c\""] {
            assert!(spells(text, &odd), "{text}");
        }
        assert!(!spells("c", &odd) && !spells("A\"b.c", &odd));
    }

    #[test]
    fn one_name_means_one_thing() {
        let names = [RelationName::new("a", "x"), RelationName::new("b", "x")];
        let resolved = |text: &str| resolve(text, "index", names.iter());
        assert_eq!(resolved("a.x").unwrap(), [&names[0]]);
        assert_eq!(resolved("*.x").unwrap().len(), 2);
        assert_eq!(resolved("x").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(resolved("y").unwrap_err().kind(), ErrorKind::Usage);
    }
}
