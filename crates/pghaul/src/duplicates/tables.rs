//! The tables that a repair may touch: columns, unique indexes, rules, and who refers to whom.
//!
//! Invariants: everything is in an order of names, so that the same data gives the same plan;
//! only catalogs are read; a reference that both the catalog and the rules know is one.

use std::collections::BTreeMap;

use crate::catalog::{Oid, oid};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};

use super::references::Reference;
use super::rules::{Others, Rules, TableRule};

/// All tables of a database, with their rules and references.
#[derive(Debug)]
pub struct Tables {
    /// The tables, by name.
    pub list: Vec<Table>,
    /// The references between them.
    pub references: Vec<Reference>,
    places: BTreeMap<RelationName, usize>,
}

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: RelationName,
    /// The tables that hold its rows, if it is a partition tree.
    pub leaves: Vec<usize>,
    /// Columns that decide in which leaf of a partition tree a row is, if it is one.
    pub bounds: Vec<String>,
    /// Its columns, in physical order.
    pub columns: Vec<Column>,
    /// Its unique indexes, the primary key first, and what the rules say is unique.
    pub uniques: Vec<Unique>,
    /// Its rule; an empty one if there is none.
    pub rule: TableRule,
    /// Whether the rules know it.
    pub has_rule: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in SQL.
    pub type_name: String,
    /// NOT NULL.
    pub not_null: bool,
    /// Generated: cannot be written.
    pub generated: bool,
    /// GENERATED ALWAYS AS IDENTITY: cannot be changed by UPDATE.
    pub always: bool,
    /// What values could be made for it.
    pub kind: ColumnKind,
}

/// What values could be made for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A text, of at most so many characters.
    Text(Option<u32>),
    /// A whole number.
    Integer,
    /// A UUID.
    Uuid,
    /// True or false.
    Boolean,
    /// Anything else.
    Other,
}

/// What keeps rows apart.
#[derive(Debug, Clone)]
pub struct Unique {
    /// Its name; for what the rules say is unique, the table's and the columns.
    pub name: RelationName,
    /// The primary key.
    pub primary: bool,
    /// Of the rules alone: no index enforces it.
    pub by_rule: bool,
    /// Whether it is there; false for one that a clone could not build.
    pub built: bool,
    /// The key expressions, in SQL.
    pub keys: Vec<String>,
    /// The condition, in SQL.
    pub predicate: Option<String>,
    /// NULLS NOT DISTINCT.
    pub nulls_equal: bool,
    /// All columns that keys and condition read.
    pub reads: Vec<String>,
    /// What becomes of the rows that do not stay.
    pub others: Others,
}

impl Tables {
    /// Reads them. `elsewhere` is the source of a clone, for indexes and keys that are not built
    /// here yet.
    ///
    /// # Errors
    /// What the server said.
    pub async fn read(
        session: &Session,
        elsewhere: Option<&Session>,
        rules: &Rules,
    ) -> Result<Self, Error> {
        let mut tables = Self { list: Vec::new(), references: Vec::new(), places: BTreeMap::new() };
        let trees = Tree::all(session).await?;
        tables.add_columns(session, rules, &trees).await?;
        tables.add_uniques(session, true).await?;
        tables.add_foreign_keys(session, true).await?;
        if let Some(elsewhere) = elsewhere {
            tables.add_uniques(elsewhere, false).await?;
            tables.add_foreign_keys(elsewhere, false).await?;
        }
        tables.apply_rules(rules);
        Ok(tables)
    }

    /// Refuses rules that would take a part of a reference over several columns out of it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] that names table, column and what is referred to.
    pub fn check_rules(&self) -> Result<(), Error> {
        for reference in self.references.iter().filter(|reference| reference.columns.len() > 1) {
            let child = &self.list[reference.child];
            let part = reference.columns.iter().find(|c| child.rule.merge.contains_key(*c));
            if let Some(column) = part {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!(
                        "the rules merge `{column}` of `{}`, which refers to `{}` only together with \
                         others: {}",
                        child.name,
                        self.list[reference.parent].name,
                        reference.columns.join(", ")
                    ),
                )
                .with_hint("leave it out of `merge`: such a reference follows as a whole"));
            }
        }
        Ok(())
    }

    /// The place of a table in the list.
    pub fn place(&self, name: &RelationName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The tables that hold the rows of one: itself, or the leaves of a partition tree.
    pub fn leaves(&self, table: usize) -> Vec<usize> {
        let facts = &self.list[table];
        if facts.leaves.is_empty() { vec![table] } else { facts.leaves.clone() }
    }

    /// The unique index of a leaf that is the part there of a partition tree's.
    pub fn counterpart(&self, root: usize, unique: usize, leaf: usize) -> Option<usize> {
        if root == leaf {
            return Some(unique);
        }
        let wanted = &self.list[root].uniques[unique];
        self.list[leaf].uniques.iter().position(|own| {
            own.keys == wanted.keys
                && own.predicate == wanted.predicate
                && own.nulls_equal == wanted.nulls_equal
        })
    }

    async fn add_columns(
        &mut self,
        session: &Session,
        rules: &Rules,
        trees: &BTreeMap<RelationName, Tree>,
    ) -> Result<(), Error> {
        let sql = include_str!("tables/columns.sql");
        for row in session.query("read the columns of the tables", sql, &[]).await? {
            let name = RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2));
            let place = *self.places.entry(name.clone()).or_insert(self.list.len());
            if place == self.list.len() {
                let tree = trees.get(&name);
                let of_root = || rules.table(&tree?.root);
                let rule = rules.table(&name).or_else(of_root).cloned();
                self.list.push(Table {
                    oid: oid(row.get(0)),
                    name,
                    leaves: Vec::new(),
                    bounds: tree.map_or_else(Vec::new, |tree| tree.bounds.clone()),
                    columns: Vec::new(),
                    uniques: Vec::new(),
                    has_rule: rule.is_some(),
                    rule: rule.unwrap_or_default(),
                });
            }
            let length = row.get::<_, Option<i32>>(9).and_then(|n| u32::try_from(n).ok());
            self.list[place].columns.push(Column {
                name: row.get(3),
                type_name: row.get(4),
                not_null: row.get(5),
                generated: row.get(6),
                always: row.get(7),
                kind: match row.get::<_, &str>(8) {
                    "text" => ColumnKind::Text(length),
                    "integer" => ColumnKind::Integer,
                    "uuid" => ColumnKind::Uuid,
                    "boolean" => ColumnKind::Boolean,
                    _ => ColumnKind::Other,
                },
            });
        }
        for (leaf, tree) in trees {
            if let (Some(leaf), Some(root)) = (self.place(leaf), self.place(&tree.root)) {
                self.list[root].leaves.push(leaf);
            }
        }
        Ok(())
    }

    async fn add_uniques(&mut self, session: &Session, built: bool) -> Result<(), Error> {
        let sql = include_str!("tables/uniques.sql");
        for row in session.query("read the unique indexes", sql, &[]).await? {
            let table = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            let name = RelationName::new(row.get::<_, String>(2), row.get::<_, String>(3));
            let Some(place) = self.place(&table) else { continue };
            let table = &mut self.list[place];
            if table.uniques.iter().any(|unique| unique.name == name) {
                continue;
            }
            table.uniques.push(Unique {
                name,
                primary: row.get(5),
                by_rule: false,
                built,
                keys: row.get(8),
                predicate: row.get(6),
                nulls_equal: row.get(7),
                reads: row.get(9),
                others: Others::Merge,
            });
        }
        Ok(())
    }

    async fn add_foreign_keys(&mut self, session: &Session, built: bool) -> Result<(), Error> {
        let sql = include_str!("tables/foreign_keys.sql");
        for row in session.query("read the foreign keys", sql, &[]).await? {
            let child = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            let parent = RelationName::new(row.get::<_, String>(2), row.get::<_, String>(3));
            let (columns, referred): (Vec<String>, Vec<String>) = (row.get(7), row.get(8));
            let (Some(child), Some(parent)) = (self.place(&child), self.place(&parent)) else {
                continue;
            };
            let reference = Reference::by_foreign_key(
                (child, columns),
                (parent, referred),
                (row.get::<_, &str>(5), row.get::<_, &str>(6)),
                (row.get(9), built && row.get::<_, bool>(10)),
            );
            for reference in reference.of_leaves(self) {
                self.add_reference(reference);
            }
        }
        Ok(())
    }

    fn add_reference(&mut self, reference: Reference) {
        match self.references.iter_mut().find(|known| known.is_same(&reference)) {
            Some(known) => known.take_in(&reference),
            None => self.references.push(reference),
        }
    }

    fn apply_rules(&mut self, rules: &Rules) {
        for rule in &rules.references {
            for reference in Reference::by_rule(self, rule) {
                self.add_reference(reference);
            }
        }
        self.references.sort_by(|a, b| {
            (a.child, &a.columns, a.parent, &a.type_)
                .cmp(&(b.child, &b.columns, b.parent, &b.type_))
        });
        for table in &mut self.list {
            table.apply_rule();
        }
    }

    /// The references from a table to others.
    pub fn of(&self, child: usize) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(move |reference| reference.child == child)
    }

    /// The references to a table.
    pub fn to(&self, parent: usize) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(move |reference| reference.parent == parent)
    }
}

/// The leaves of all partition trees, and the root of each.
pub(super) async fn roots(
    session: &Session,
) -> Result<BTreeMap<RelationName, RelationName>, Error> {
    let trees = Tree::all(session).await?;
    Ok(trees.into_iter().map(|(leaf, tree)| (leaf, tree.root)).collect())
}

/// A leaf of a partition tree.
struct Tree {
    root: RelationName,
    bounds: Vec<String>,
}

impl Tree {
    /// All leaves.
    async fn all(session: &Session) -> Result<BTreeMap<RelationName, Self>, Error> {
        if !session.version().at_least(10) {
            return Ok(BTreeMap::new());
        }
        let sql = include_str!("tables/leaves.sql");
        let rows = session.query("read the partition trees", sql, &[]).await?;
        Ok(rows
            .iter()
            .map(|row| {
                let name = |at: usize| {
                    RelationName::new(row.get::<_, String>(at), row.get::<_, String>(at + 1))
                };
                (name(0), Self { root: name(2), bounds: row.get(4) })
            })
            .collect())
    }
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether there is such a column.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    /// Leaves out what this table does not have, and adds what only the rules keep unique.
    fn apply_rule(&mut self) {
        let mut rule = std::mem::take(&mut self.rule);
        rule.keep.retain(|step| self.has(step.column()));
        rule.agree.retain(|column| self.has(column));
        rule.identity.retain(|identity| identity.table.is_some() || self.has(&identity.column));
        rule.ask.retain(|ask| self.has(&ask.when));
        rule.merge.retain(|column, _| self.column(column).is_some_and(|c| !c.generated));
        rule.differ.retain(|pair| pair.iter().all(|column| self.has(column)));
        rule.counts.retain(|count| self.has(&count.column) && self.has(&count.by));
        for unique in &mut self.uniques {
            let same = |columns: &Vec<String>| {
                columns.len() == unique.reads.len()
                    && columns.iter().all(|column| unique.reads.contains(column))
            };
            if let Some(index) = rule.indexes.iter().find(|index| same(&index.columns)) {
                unique.others = index.others;
            }
        }
        for columns in &rule.unique {
            let there = columns.iter().all(|column| self.has(column));
            let known = self.uniques.iter().any(|unique| {
                unique.predicate.is_none() && unique.reads.iter().all(|read| columns.contains(read))
            });
            if there && !known {
                self.uniques.push(Unique {
                    name: RelationName {
                        schema: self.name.schema.clone(),
                        name: Ident::new(format!(
                            "{} ({})",
                            self.name.name.as_str(),
                            columns.join(", ")
                        )),
                    },
                    primary: false,
                    by_rule: true,
                    built: false,
                    keys: columns.iter().map(|c| Ident::new(c.as_str()).quoted()).collect(),
                    predicate: None,
                    nulls_equal: false,
                    reads: columns.clone(),
                    others: Others::Merge,
                });
            }
        }
        self.rule = rule;
    }

    /// The steps by which the row of a group stays that an index found.
    pub fn keep_for(&self, unique: &Unique) -> Vec<super::rules::Keep> {
        let own = self.rule.indexes.iter().find(|index| {
            index.columns.len() == unique.reads.len()
                && index.columns.iter().all(|column| unique.reads.contains(column))
                && !index.keep.is_empty()
        });
        let mut steps = own.map_or_else(|| self.rule.keep.clone(), |index| index.keep.clone());
        steps.retain(|step| self.has(step.column()));
        steps
    }
}
