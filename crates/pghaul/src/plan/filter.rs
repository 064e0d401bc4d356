//! Which tables are meant: `--include` and `--exclude`, globs over `schema.table`.
//!
//! Invariants: a pattern that matches nothing is an error, so a typing mistake never loses a
//! table; a partition goes where its root goes; excluded wins over included.

use std::collections::{BTreeSet, HashMap};

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::catalog::{Catalog, Relation};
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// The patterns, ready to match.
#[derive(Debug)]
pub struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Filter {
    /// Takes the patterns and holds them against the catalog.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a pattern that cannot be read or that matches no relation.
    pub fn new(catalog: &Catalog, include: &[String], exclude: &[String]) -> Result<Self, Error> {
        Self::over(&[catalog], "the source", include, exclude)
    }

    /// As [`Filter::new`], for patterns that match a relation of any of these catalogs; `whose`
    /// says which ones.
    ///
    /// # Errors
    /// As [`Filter::new`].
    pub fn over(
        catalogs: &[&Catalog],
        whose: &str,
        include: &[String],
        exclude: &[String],
    ) -> Result<Self, Error> {
        for pattern in include.iter().chain(exclude) {
            let glob = parse(pattern)?.compile_matcher();
            let mut relations = catalogs.iter().flat_map(|catalog| &catalog.relations);
            if !relations.any(|relation| glob.is_match(text(&relation.name))) {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("the pattern `{pattern}` matches no table of {whose}"),
                )
                .with_hint(hint(pattern)));
            }
        }
        Ok(Self {
            include: if include.is_empty() { None } else { Some(set(include)?) },
            exclude: set(exclude)?,
        })
    }

    /// Whether a filter was given at all.
    pub fn is_everything(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    /// Whether tables were asked for by name, and not only others excluded.
    pub fn names_what_is_wanted(&self) -> bool {
        self.include.is_some()
    }

    /// Whether large objects come along: not if tables were asked for by name, as with `pg_dump`.
    pub fn wants_large_objects(&self) -> bool {
        !self.names_what_is_wanted()
    }

    /// Whether a relation is meant, by its own name or by its partition root's.
    pub fn wants(&self, catalog: &Catalog, relation: &Relation) -> bool {
        let root = relation.root.and_then(|root| catalog.relation(root));
        let names = [Some(&relation.name), root.map(|root| &root.name)];
        let hit = |set: &GlobSet| names.iter().flatten().any(|name| set.is_match(text(name)));
        self.include.as_ref().is_none_or(hit) && !hit(&self.exclude)
    }

    /// Which names are meant, of what `before` shows and of what has come since.
    pub fn by_name<'a>(
        &'a self,
        before: Option<&'a Catalog>,
    ) -> impl Fn(&RelationName) -> bool + 'a {
        let known: HashMap<&RelationName, bool> = before
            .into_iter()
            .flat_map(|catalog| catalog.relations.iter().map(move |relation| (catalog, relation)))
            .map(|(catalog, relation)| (&relation.name, self.wants(catalog, relation)))
            .collect();
        move |name| known.get(name).copied().unwrap_or_else(|| self.wants_name(name))
    }

    /// Whether a relation is meant that no catalog has shown yet.
    pub fn wants_name(&self, name: &RelationName) -> bool {
        let name = text(name);
        self.include.as_ref().is_none_or(|set| set.is_match(&name)) && !self.exclude.is_match(&name)
    }
}

/// The places of the names that the patterns match.
///
/// # Errors
/// [`ErrorKind::Usage`] for a pattern that cannot be read or that matches no name.
pub fn matching<'a>(
    patterns: &[String],
    names: impl Iterator<Item = &'a RelationName>,
) -> Result<BTreeSet<usize>, Error> {
    let names: Vec<String> = names.map(text).collect();
    let mut all = BTreeSet::new();
    for pattern in patterns {
        let glob = parse(pattern)?.compile_matcher();
        let hits: Vec<usize> = (0..names.len()).filter(|at| glob.is_match(&names[*at])).collect();
        let nothing = hits.is_empty();
        all.extend(hits);
        if nothing {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("the pattern `{pattern}` matches no table of the run"),
            )
            .with_hint(hint(pattern)));
        }
    }
    Ok(all)
}

/// What a pattern looks like; whoever quotes names, as SQL does, is told not to.
fn hint(pattern: &str) -> &'static str {
    if pattern.contains('"') {
        "patterns take names as they are, without SQL's quotes: public.Users for \"public\".\"Users\""
    } else {
        "patterns are globs over schema.table, such as public.statuses or 'audit_*.*'"
    }
}

fn text(name: &RelationName) -> String {
    name.to_string()
}

fn parse(pattern: &str) -> Result<Glob, Error> {
    Glob::new(pattern).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("cannot read the pattern `{pattern}`"))
            .caused_by(error)
    })
}

fn set(patterns: &[String]) -> Result<GlobSet, Error> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(parse(pattern)?);
    }
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Usage, "cannot read the patterns together").caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn whoever_quotes_names_is_told_not_to() {
        assert!(super::hint("\"public\".\"pw\"").contains("without SQL's quotes"));
        assert!(!super::hint("public.pw").contains("quotes"));
    }
}
