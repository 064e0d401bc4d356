//! Which indexes a new version of a collation may have broken.
//!
//! A text index is built in the order of its collation. When the C library or ICU changes that
//! order, the index is read in another order than it was built in: rows are not found, and the
//! unique check lets duplicates in. Postgres records the version of a collation when it is created
//! or refreshed: of ICU's from 10 on, of the C library's from 13 on, of the database's own from 15
//! on (Postgres manual, 24.2.2 and `ALTER COLLATION`).
//!
//! Invariants: what is not known is said to be so and counts as exposed; an index whose order is
//! that of bytes, or that only asks which texts are equal, is not exposed; which functions of an
//! expression depend on a collation stands in `dependences.sql`, and any that is not listed there
//! does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::catalog::oid;
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// A collation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collation {
    /// Its OID.
    pub oid: u32,
    /// Which it is.
    pub name: CollationName,
    /// What it is made of, such as `en_US.UTF-8`.
    pub locale: Option<String>,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// What is recorded about its version.
    pub version: CollationVersion,
    /// Whether the role may record the present version.
    pub may_refresh: bool,
    /// Whether its order is that of bytes and can never change.
    by_bytes: bool,
    /// Whether its classes and cases of characters are those of ASCII.
    plain: bool,
    deterministic: bool,
}

/// How a collation is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CollationName {
    /// The database's own.
    Database(Ident),
    /// One of its own name.
    Named(RelationName),
}

impl fmt::Display for CollationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(_) => f.write_str("the database's own collation"),
            Self::Named(name) => write!(f, "collation {name}"),
        }
    }
}

/// What is recorded about a collation's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollationVersion {
    /// The recorded one is the present one.
    Same,
    /// Another one is recorded than the system has; none if the system has lost its version.
    Changed {
        /// As recorded.
        recorded: String,
        /// What the system has now.
        actual: Option<String>,
    },
    /// None is recorded.
    Unknown,
}

/// Why an index may be in another order than it is read in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// By which collation.
    pub collation: Collation,
    /// Through what: nothing for the keys themselves, else a function that an expression or the
    /// predicate calls.
    pub through: Option<String>,
    /// Whether an expression or the predicate depends on it, so that an index in the right order may
    /// still hold what they gave before.
    pub in_expressions: bool,
}

/// How an index depends on a collation, as far as it matters.
#[derive(Debug, Clone, Default)]
struct Dependence {
    through: Option<String>,
    in_expressions: bool,
}

impl Exposure {
    /// Whether it is known that the collation changed, and not only unknown that it did not.
    pub fn is_certain(&self) -> bool {
        matches!(self.collation.version, CollationVersion::Changed { .. })
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = &self.through {
            write!(f, "by {function} in an expression, ")?;
        }
        write!(f, "it depends on {}", self.collation.name)?;
        if let Some(locale) = &self.collation.locale {
            write!(f, " ({locale})")?;
        }
        match &self.collation.version {
            CollationVersion::Same => Ok(()),
            CollationVersion::Changed { recorded, actual: Some(actual) } => {
                write!(f, ", recorded with version {recorded}; the system has {actual}")
            }
            CollationVersion::Changed { recorded, actual: None } => {
                write!(f, ", recorded with version {recorded}; the system has none any more")
            }
            CollationVersion::Unknown => f.write_str(
                ", of which no version is recorded: under which version of the library the index \
                 was built is not known",
            ),
        }
    }
}

/// How an index depends on a collation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// By order.
    Order,
    /// By classes and cases of characters.
    Characters,
    /// Only by which texts are equal.
    Equality,
    /// In a way that is not known.
    Any,
}

impl Way {
    fn of(text: &str) -> Self {
        match text {
            "order" => Self::Order,
            "ctype" => Self::Characters,
            "equality" => Self::Equality,
            _ => Self::Any,
        }
    }

    fn can_be_broken_by(self, collation: &Collation) -> bool {
        match self {
            Self::Order => !collation.by_bytes,
            Self::Characters => !collation.plain,
            Self::Equality => !collation.deterministic,
            Self::Any => !(collation.by_bytes && collation.plain && collation.deterministic),
        }
    }
}

/// What all indexes depend on.
#[derive(Debug, Clone, Default)]
pub struct Exposures {
    collations: BTreeMap<u32, Collation>,
    /// By index: collations whose change could break it, whatever their versions, and through what.
    indexes: BTreeMap<u32, BTreeMap<u32, Dependence>>,
    /// Tables partitioned by ranges of text, with their collations.
    partitions: BTreeMap<u32, BTreeSet<RelationName>>,
}

impl Exposures {
    /// Reads what the catalog says.
    ///
    /// # Errors
    /// What the server said.
    pub async fn read(session: &Session) -> Result<Self, Error> {
        let doing = "read on which collations indexes depend";
        let rows = session.query(doing, include_str!("dependences.sql"), &[]).await?;
        let mut ways: Vec<(u32, u32, Way, Option<String>)> = rows
            .iter()
            .map(|row| {
                let through = Some(row.get::<_, String>(3)).filter(|what| !what.is_empty());
                (oid(row.get(0)), oid(row.get(1)), Way::of(row.get(2)), through)
            })
            .collect();
        // The keys themselves first: that is said rather than a function.
        ways.sort_by(|a, b| a.3.cmp(&b.3));
        let partitions = partitions(session).await?;
        let used: BTreeSet<u32> = ways
            .iter()
            .map(|(_, collation, ..)| *collation)
            .chain(partitions.keys().copied())
            .collect();
        let collations = collations(session, &used.into_iter().collect::<Vec<_>>()).await?;
        let mut indexes: BTreeMap<u32, BTreeMap<u32, Dependence>> = BTreeMap::new();
        for (index, collation, way, through) in ways {
            if collations.get(&collation).is_some_and(|known| way.can_be_broken_by(known)) {
                let in_expressions = through.is_some();
                let first = Dependence { through, in_expressions };
                let known = indexes.entry(index).or_default().entry(collation).or_insert(first);
                known.in_expressions |= in_expressions;
            }
        }
        Ok(Self { collations, indexes, partitions })
    }

    /// Why an index is exposed, the certain first; empty if it is not.
    pub fn of(&self, index: u32) -> Vec<Exposure> {
        let mut exposures: Vec<Exposure> = self
            .indexes
            .get(&index)
            .into_iter()
            .flatten()
            .filter_map(|(collation, on)| {
                let collation = self.collations.get(collation)?.clone();
                let (through, in_expressions) = (on.through.clone(), on.in_expressions);
                Some(Exposure { collation, through, in_expressions })
            })
            .filter(|exposure| exposure.collation.version != CollationVersion::Same)
            .collect();
        exposures.sort_by_key(|exposure| !exposure.is_certain());
        exposures
    }

    /// Collations that are recorded with another version than the system has, each with the indexes
    /// that depend on it.
    pub fn changed(&self) -> Vec<(&Collation, Vec<u32>)> {
        self.collations
            .values()
            .filter(|one| matches!(one.version, CollationVersion::Changed { .. }))
            .map(|collation| {
                let indexes = self
                    .indexes
                    .iter()
                    .filter(|(_, on)| on.contains_key(&collation.oid))
                    .map(|(index, _)| *index)
                    .collect();
                (collation, indexes)
            })
            .collect()
    }

    /// Tables partitioned by ranges of text whose bounds may mean something else now: rows may lie
    /// in the wrong partition, which no rebuild mends.
    pub fn partitioned_by(&self, collation: u32) -> impl Iterator<Item = &RelationName> {
        let by_order = self.collations.get(&collation).is_some_and(|collation| !collation.by_bytes);
        self.partitions.get(&collation).into_iter().flatten().filter(move |_| by_order)
    }
}

async fn partitions(session: &Session) -> Result<BTreeMap<u32, BTreeSet<RelationName>>, Error> {
    let mut by: BTreeMap<u32, BTreeSet<RelationName>> = BTreeMap::new();
    if !session.version().at_least(10) {
        return Ok(by);
    }
    let doing = "read which tables are partitioned by text";
    for row in session.query(doing, include_str!("partitions_10.sql"), &[]).await? {
        let name = RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2));
        by.entry(oid(row.get(0))).or_default().insert(name);
    }
    Ok(by)
}

async fn collations(session: &Session, oids: &[u32]) -> Result<BTreeMap<u32, Collation>, Error> {
    let sql = match session.version() {
        version if version.at_least(15) => include_str!("collations_15.sql"),
        version if version.at_least(10) => include_str!("collations_10.sql"),
        _ => include_str!("collations_96.sql"),
    };
    let rows = session.query("read the versions of collations", sql, &[&oids]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let collation = oid(row.get(0));
            let recorded: Option<String> = row.get(6);
            let actual: Option<String> = row.get(7);
            let name: String = row.get(2);
            let one = Collation {
                oid: collation,
                name: match row.get::<_, Option<String>>(1) {
                    Some(schema) => CollationName::Named(RelationName::new(schema, name)),
                    None => CollationName::Database(Ident::new(name)),
                },
                by_bytes: row.get(3),
                plain: row.get(4),
                deterministic: row.get(5),
                version: match recorded {
                    None => CollationVersion::Unknown,
                    Some(recorded) if actual.as_ref() == Some(&recorded) => CollationVersion::Same,
                    Some(recorded) => CollationVersion::Changed { recorded, actual },
                },
                locale: row.get(8),
                provider: row.get(9),
                may_refresh: row.get(10),
            };
            (collation, one)
        })
        .collect())
}
