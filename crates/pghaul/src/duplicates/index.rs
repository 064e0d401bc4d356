//! What claims that rows differ: the unique indexes of a database, and how each compares keys.
//!
//! Invariants: a definition is read where the index stands, what it means is looked up where the
//! rows are, so that an index that could not be built on a target can be scanned there; only
//! catalogs are read.

use pghaul_rows::key::Nulls;

use super::key::{Key, Meanings};
use crate::catalog::{Oid, RelationKind, oid};
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// What makes a unique index a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backs {
    /// A primary key.
    PrimaryKey,
    /// A UNIQUE constraint.
    UniqueConstraint,
    /// Nothing: `CREATE UNIQUE INDEX`.
    Nothing,
}

/// A unique index as its catalog defines it.
#[derive(Debug, Clone)]
pub struct IndexDefinition {
    /// Its OID where the definition was read.
    pub oid: Oid,
    /// Schema and name of the index.
    pub name: RelationName,
    /// The table, matview or root of a partition tree whose rows it covers.
    pub table: RelationName,
    /// The OID of that where the definition was read.
    pub table_oid: Oid,
    /// What kind of relation that is.
    pub table_kind: RelationKind,
    /// What it backs.
    pub backs: Backs,
    /// Whether the server uses it: `indisvalid` and `indisready`.
    pub valid: bool,
    /// An exclusion constraint, or one WITHOUT OVERLAPS: it compares rows by other operators.
    pub is_exclusion: bool,
    /// The condition of a partial index, in SQL.
    pub predicate: Option<String>,
    /// Whether NULLs are equal.
    pub nulls: Nulls,
    /// The columns of the table's primary key, in its order; empty without one.
    pub primary_key: Vec<Ident>,
    /// The index of the partition tree that it is a part of.
    pub parent: Option<Oid>,
    /// The table is unlogged: a standby has no rows of it.
    pub unlogged: bool,
    /// False for a materialized view `WITH NO DATA`.
    pub populated: bool,
    pub(super) keys: Vec<KeyDefinition>,
}

/// A key column of an index as its catalog defines it.
#[derive(Debug, Clone)]
pub(super) struct KeyDefinition {
    /// `pg_get_indexdef(i, n, true)`.
    pub(super) expression: String,
    pub(super) opclass: RelationName,
    pub(super) collation: Option<RelationName>,
}

/// A unique index, and how it compares keys on the server where the rows are.
#[derive(Debug, Clone)]
pub struct UniqueIndex {
    /// The definition.
    pub definition: IndexDefinition,
    /// Its key columns, without INCLUDE.
    pub keys: Vec<Key>,
}

impl IndexDefinition {
    /// All unique indexes of the database that are not of the system's schemas nor of our own,
    /// exclusion constraints among them, by table and name.
    ///
    /// # Errors
    /// What the server said.
    pub async fn all(session: &Session) -> Result<Vec<Self>, Error> {
        Self::read(session, None).await
    }

    /// The unique index of this OID, or that behind the constraint of this OID.
    ///
    /// # Errors
    /// What the server said.
    pub async fn of(session: &Session, index_or_constraint: Oid) -> Result<Option<Self>, Error> {
        Ok(Self::read(session, Some(index_or_constraint)).await?.pop())
    }

    async fn read(session: &Session, which: Option<Oid>) -> Result<Vec<Self>, Error> {
        let rows = session
            .query("read the list of unique indexes", include_str!("index/unique.sql"), &[&which])
            .await?;
        Ok(rows
            .iter()
            .map(|row| {
                let primary: bool = row.get(7);
                let constraint: bool = row.get(8);
                let nulls_equal: bool = row.get(12);
                let columns: Vec<String> = row.get(18);
                Self {
                    oid: oid(row.get(0)),
                    name: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
                    table_oid: oid(row.get(3)),
                    table: RelationName::new(row.get::<_, String>(4), row.get::<_, String>(5)),
                    table_kind: match row.get::<_, &str>(6) {
                        "p" => RelationKind::Partitioned,
                        "m" => RelationKind::MaterializedView,
                        _ => RelationKind::Table,
                    },
                    backs: match (primary, constraint) {
                        (true, _) => Backs::PrimaryKey,
                        (false, true) => Backs::UniqueConstraint,
                        (false, false) => Backs::Nothing,
                    },
                    valid: row.get(9),
                    is_exclusion: row.get(10),
                    predicate: row.get(11),
                    nulls: if nulls_equal { Nulls::NotDistinct } else { Nulls::Distinct },
                    primary_key: columns.into_iter().map(Ident::new).collect(),
                    parent: row.get::<_, Option<i64>>(19).map(oid),
                    unlogged: row.get(20),
                    populated: row.get(21),
                    keys: keys(row),
                }
            })
            .collect())
    }

    /// The expressions of its key columns, in SQL, without INCLUDE.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.expression.as_str())
    }

    /// The relation to select from: the rows of a partition tree are those of its leaves, those of
    /// a parent by inheritance are not those of its children.
    pub(super) fn from(&self) -> String {
        match self.table_kind {
            RelationKind::Partitioned => self.table.quoted(),
            _ => format!("only {}", self.table.quoted()),
        }
    }

    /// Whether its rows lie in many relations.
    pub fn is_partitioned(&self) -> bool {
        self.table_kind == RelationKind::Partitioned
    }
}

fn keys(row: &tokio_postgres::Row) -> Vec<KeyDefinition> {
    let expressions: Vec<String> = row.get(13);
    let schemas: Vec<String> = row.get(14);
    let opclasses: Vec<String> = row.get(15);
    let collation_schemas: Vec<Option<String>> = row.get(16);
    let collations: Vec<Option<String>> = row.get(17);
    let opclasses = schemas.into_iter().zip(opclasses);
    let collations = collation_schemas.into_iter().zip(collations);
    expressions
        .into_iter()
        .zip(opclasses)
        .zip(collations)
        .map(|((expression, (schema, opclass)), collation)| KeyDefinition {
            expression,
            opclass: RelationName::new(schema, opclass),
            collation: collation
                .0
                .zip(collation.1)
                .map(|(schema, name)| RelationName::new(schema, name)),
        })
        .collect()
}

impl UniqueIndex {
    /// Looks up what definitions mean on the server where the rows are; those of an exclusion
    /// constraint, or of an operator class that this server does not have, are `None`.
    ///
    /// # Errors
    /// What the server said: the table or a column is not there, say.
    pub async fn resolve(
        session: &Session,
        definitions: Vec<IndexDefinition>,
    ) -> Result<Vec<(IndexDefinition, Option<Self>)>, Error> {
        let meanings = Meanings::read(session, &definitions).await?;
        Ok(definitions
            .into_iter()
            .map(|definition| {
                let keys = if definition.is_exclusion { None } else { meanings.of(&definition) };
                let resolved = keys.map(|keys| Self { definition: definition.clone(), keys });
                (definition, resolved)
            })
            .collect())
    }

    /// Why the server has to group the rows, if pghaul cannot: a key column whose equality has no
    /// normal form and whose operator class has no hash function.
    pub fn grouped_by_server(&self) -> Option<&Key> {
        self.keys.iter().find(|key| key.image.is_none())
    }
}
