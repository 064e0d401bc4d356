//! Which tables hang together: partition trees and inheritance.
//!
//! A statement on a parent looks at the rows of all below it, and locks them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::entry::{Entry, Kind};
use super::subject::{Subject, is_partitioned};
use crate::name::RelationName;

/// Parents and children among the tables of an archive.
#[derive(Debug, Default)]
pub(super) struct Families {
    children: HashMap<RelationName, Vec<RelationName>>,
    parents: HashMap<RelationName, Vec<RelationName>>,
    tables: HashSet<RelationName>,
    partitioned: HashSet<RelationName>,
}

impl Families {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut families = Self::default();
        for entry in entries {
            let subject = match entry.kind {
                Kind::Table | Kind::ForeignTable | Kind::TableAttach => Subject::of(entry),
                _ => continue,
            };
            let Some(relation) = subject.relation else { continue };
            for other in subject.others {
                match entry.kind {
                    Kind::TableAttach => families.join(relation.clone(), other),
                    _ => families.join(other, relation.clone()),
                }
            }
            if is_partitioned(entry) {
                families.partitioned.insert(relation.clone());
            }
            if entry.kind == Kind::Table {
                families.tables.insert(relation);
            }
        }
        families
    }

    fn join(&mut self, parent: RelationName, child: RelationName) {
        self.children.entry(parent.clone()).or_default().push(child.clone());
        self.parents.entry(child).or_default().push(parent);
    }

    pub(super) fn is_partitioned(&self, relation: &RelationName) -> bool {
        self.partitioned.contains(relation)
    }

    /// Whether it is a table, partitioned or not; false for views and foreign tables.
    pub(super) fn is_table(&self, relation: &RelationName) -> bool {
        self.tables.contains(relation)
    }

    /// The relation and all below it.
    pub(super) fn with_descendants(&self, relation: &RelationName) -> BTreeSet<RelationName> {
        walk(relation, &self.children)
    }

    /// One relation that stands for the whole family: the first in the alphabet of those without
    /// a parent. The relation itself if it has no family.
    pub(super) fn root(&self, relation: &RelationName) -> RelationName {
        walk(relation, &self.parents)
            .into_iter()
            .find(|ancestor| !self.parents.contains_key(ancestor))
            .unwrap_or_else(|| relation.clone())
    }

    /// The roots of a relation's family, all of them where a table inherits from several.
    pub(super) fn roots(&self, relation: Option<&RelationName>) -> BTreeSet<RelationName> {
        let Some(relation) = relation else { return BTreeSet::new() };
        let above = walk(relation, &self.parents);
        above.into_iter().filter(|ancestor| !self.parents.contains_key(ancestor)).collect()
    }
}

fn walk(
    from: &RelationName,
    edges: &HashMap<RelationName, Vec<RelationName>>,
) -> BTreeSet<RelationName> {
    let mut seen = BTreeSet::from([from.clone()]);
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        for other in edges.get(next).into_iter().flatten() {
            if seen.insert(other.clone()) {
                open.push(other);
            }
        }
    }
    seen
}
