//! Which tables are below which: partitions and inheritance.
//!
//! A statement on a parent looks at the rows of all below it, and locks them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::entry::{Entry, Kind};
use super::subject::{Subject, is_partitioned};
use crate::name::RelationName;

/// Children by parent among the tables of an archive.
#[derive(Debug, Default)]
pub(super) struct Families {
    children: HashMap<RelationName, Vec<RelationName>>,
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
        self.children.entry(parent).or_default().push(child);
    }

    pub(super) fn is_partitioned(&self, relation: &RelationName) -> bool {
        self.partitioned.contains(relation)
    }

    /// Whether it is a table, partitioned or not; false for views and foreign tables.
    pub(super) fn is_table(&self, relation: &RelationName) -> bool {
        self.tables.contains(relation)
    }

    /// These relations and all below them.
    pub(super) fn of_all<'a>(
        &self,
        relations: impl IntoIterator<Item = &'a RelationName>,
    ) -> BTreeSet<RelationName> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&RelationName> = relations.into_iter().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                open.extend(self.children.get(next).into_iter().flatten());
            }
        }
        seen
    }
}
