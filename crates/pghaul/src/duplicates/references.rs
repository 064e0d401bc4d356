//! Who refers to whom: foreign keys of the catalog, and what the rules know beyond them.
//!
//! Invariants: a reference is from columns of one table to as many columns of another, several only
//! where a foreign key has several; a column that refers to several tables, told by a type column,
//! is one reference for each; partition trees refer, and are referred to, leaf by leaf.

use super::rules::{ReferenceKind, ReferenceRule, Removed, TypeColumn, column_name};
use super::tables::Tables;

/// A reference from columns to columns. Tables by their places in [`Tables::list`].
#[derive(Debug, Clone)]
pub struct Reference {
    /// The table that refers.
    pub child: usize,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: usize,
    /// Its columns, in the same order.
    pub parent_columns: Vec<String>,
    /// One value, or an array.
    pub kind: ReferenceKind,
    /// Keep the array sorted.
    pub sorted: bool,
    /// For which value of which column it holds.
    pub type_: Option<TypeColumn>,
    /// What becomes of the referring row when the row referred to goes for good.
    pub removed: Removed,
    /// What compares each column with the one that it refers to, in SQL (`operator(pg_catalog.=)`, after
    /// the collation), where values of a foreign key can be equal whose texts differ. Otherwise nothing.
    pub equal: Vec<String>,
    /// The foreign key in the catalog of this database, if there is one.
    pub foreign_key: Option<ForeignKey>,
}

/// What a foreign key does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignKey {
    /// ON UPDATE CASCADE, SET NULL or SET DEFAULT: changing a key changes other rows.
    pub follows_updates: bool,
}

impl Reference {
    pub(super) fn by_foreign_key(
        (child, columns): (usize, Vec<String>),
        (parent, parent_columns): (usize, Vec<String>),
        (on_update, on_delete): (&str, &str),
        (equal, built): (Vec<String>, bool),
    ) -> Self {
        Self {
            child,
            columns,
            parent,
            parent_columns,
            kind: ReferenceKind::Key,
            sorted: false,
            type_: None,
            removed: if matches!(on_delete, "n" | "d") { Removed::Clear } else { Removed::Remove },
            equal,
            foreign_key: built
                .then_some(ForeignKey { follows_updates: matches!(on_update, "c" | "n" | "d") }),
        }
    }

    /// Those of a rule whose tables and columns are there.
    pub(super) fn by_rule(tables: &Tables, rule: &ReferenceRule) -> Vec<Self> {
        let end = |text: &str| {
            let (table, column) = column_name(text)?;
            let place = tables.place(&table)?;
            tables.list[place].has(&column).then_some((place, column))
        };
        let Some((parent, parent_column)) = end(&rule.to) else { return Vec::new() };
        rule.from
            .iter()
            .filter_map(|from| end(from))
            .filter(|(child, _)| {
                rule.type_.as_ref().is_none_or(|type_| tables.list[*child].has(&type_.column))
            })
            .flat_map(|(child, column)| {
                Self {
                    child,
                    columns: vec![column],
                    parent,
                    parent_columns: vec![parent_column.clone()],
                    kind: rule.kind,
                    sorted: rule.sorted,
                    type_: rule.type_.clone(),
                    removed: rule.removed,
                    equal: Vec::new(),
                    foreign_key: None,
                }
                .of_leaves(tables)
            })
            .collect()
    }

    /// The same from and to the tables that hold the rows.
    pub(super) fn of_leaves(&self, tables: &Tables) -> Vec<Self> {
        let mut all = Vec::new();
        for child in tables.leaves(self.child) {
            for parent in tables.leaves(self.parent) {
                all.push(Self { child, parent, ..self.clone() });
            }
        }
        all
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.child == other.child
            && self.columns == other.columns
            && self.parent == other.parent
            && self.parent_columns == other.parent_columns
            && self.kind == other.kind
            && self.type_ == other.type_
    }

    /// The foreign key decides where both know it.
    pub(super) fn take_in(&mut self, other: &Self) {
        if self.foreign_key.is_none() && other.foreign_key.is_some() {
            self.foreign_key = other.foreign_key;
            self.removed = other.removed;
        }
        if self.equal.is_empty() {
            self.equal.clone_from(&other.equal);
        }
        self.sorted |= other.sorted;
    }

    /// Whether the column is one of those that refer.
    pub fn is_from(&self, column: &str) -> bool {
        self.columns.iter().any(|own| own == column)
    }

    /// From a table to itself.
    pub fn is_to_itself(&self) -> bool {
        self.child == self.parent
    }
}
