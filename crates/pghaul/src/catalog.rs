//! What is there: relations, columns, types, keys of one database, read in one go.
//!
//! Invariants: a fixed number of queries, whatever the number of tables; read inside the run's
//! snapshot, so that catalog and rows are of one moment; schema `pghaul` is never seen.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};
use crate::version::ServerVersion;

/// The OID of a type or relation.
pub type Oid = u32;

/// OIDs from here on are of objects that users made (`FirstNormalObjectId`).
pub const FIRST_USER_OID: Oid = 16_384;

/// What kind of relation one is (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary table or a leaf of a partition tree.
    Table,
    /// The root or an inner node of a partition tree: holds no rows of its own.
    Partitioned,
    /// A materialized view: recomputed on the target, not copied.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// A foreign table: its rows live elsewhere and are not copied.
    Foreign,
}

/// A relation of the source.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its OID on the source.
    pub oid: Oid,
    /// Schema and name.
    pub name: RelationName,
    /// Its kind.
    pub kind: RelationKind,
    /// Unlogged: a standby has no rows of it.
    pub unlogged: bool,
    /// False for a materialized view `WITH NO DATA`.
    pub populated: bool,
    /// Bytes of the main fork.
    pub heap_bytes: u64,
    /// Bytes of main fork, TOAST and maps (`pg_table_size`).
    pub table_bytes: u64,
    /// Whether it is a partition, leaf or inner node.
    pub is_partition: bool,
    /// The root of its partition tree, if it is a partition.
    pub root: Option<Oid>,
    /// Whether it is stored in the heap access method, so that a ctid is a block and a line.
    pub is_heap: bool,
    /// Set for a configuration table of an extension (manual, 36.17.3): its name and the
    /// condition for the rows that a dump takes along.
    pub extension_config: Option<(String, String)>,
    /// A member of an extension that is not a configuration table: the extension makes its rows.
    pub belongs_to_extension: bool,
    /// Columns in physical order, generated ones included.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order; empty without one.
    pub key: Vec<Ident>,
    /// The search path without which the server may not be able to plan a query of it, if it has such
    /// indexes or statistics (`search_paths.sql`).
    pub search_path: Option<String>,
}

/// A column of a relation.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub type_oid: Oid,
    /// Generated, stored or virtual: never copied.
    pub generated: bool,
}

/// A type of the source, as far as its bytes matter.
#[derive(Debug, Clone)]
pub struct Type {
    /// Its OID.
    pub oid: Oid,
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// `pg_type.typtype`.
    pub kind: TypeKind,
    /// The element type of a true array, else 0.
    pub element: Oid,
    /// The base type of a domain, else 0.
    pub base: Oid,
    /// The subtype of a range, the range of a multirange, else 0.
    pub range_of: Oid,
    /// The send function, qualified where it is not of `pg_catalog`; none without binary output.
    pub send: Option<String>,
    /// Whether there is a receive function.
    pub receives: bool,
    /// The extension that it belongs to.
    pub extension: Option<String>,
    /// The types of a composite's fields.
    pub fields: Vec<Oid>,
    /// Their names.
    pub field_names: Vec<Ident>,
}

/// `pg_type.typtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type, arrays included.
    Base,
    /// A composite.
    Composite,
    /// A domain.
    Domain,
    /// An enum.
    Enum,
    /// A pseudo-type.
    Pseudo,
    /// A range.
    Range,
    /// A multirange.
    Multirange,
}

/// The relations and types of one database at one moment.
#[derive(Debug)]
pub struct Catalog {
    /// The server's version.
    pub version: ServerVersion,
    /// All relations of user schemas that hold rows or a sequence.
    pub relations: Vec<Relation>,
    /// All types that their columns are made of, at any depth.
    pub types: HashMap<Oid, Type>,
    places: HashMap<Oid, usize>,
    /// Roots of partition trees whose bounds may route a row to another leaf on the target.
    pub unstable_roots: HashSet<Oid>,
}

/// Of which tables the size is asked: that waits for whoever has one for itself. Of relations that
/// are no tables it never is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sizes {
    /// Of all.
    All,
    /// Of these; the others count as empty.
    Of(Vec<Oid>),
}

impl Sizes {
    /// Of those that are wanted, as far as they were there before: what has come since is small yet.
    pub(crate) fn of_wanted(before: &Catalog, wanted: impl Fn(&RelationName) -> bool) -> Self {
        let relations = before.relations.iter().filter(|relation| wanted(&relation.name));
        Self::Of(relations.map(|relation| relation.oid).collect())
    }
}

impl Catalog {
    /// Reads the catalog in the session's current snapshot, sizes included.
    ///
    /// # Errors
    /// What the server said.
    pub async fn read(session: &Session) -> Result<Self, Error> {
        Self::read_with(session, &Sizes::All).await
    }

    /// Reads the catalog in the session's current snapshot.
    ///
    /// # Errors
    /// What the server said.
    pub async fn read_with(session: &Session, sizes: &Sizes) -> Result<Self, Error> {
        session.with_catalog_indexes(Self::look(session, sizes)).await
    }

    async fn look(session: &Session, sizes: &Sizes) -> Result<Self, Error> {
        let version = session.version();
        let relations = version.sql(include_str!("catalog/relations.sql"));
        let columns = version.sql(include_str!("catalog/columns.sql"));
        let relations = read_relations(session, &relations, sizes).await?;
        let mut catalog = Self {
            version,
            places: relations.iter().enumerate().map(|(at, r)| (r.oid, at)).collect(),
            relations,
            types: read_types(session).await?,
            unstable_roots: HashSet::new(),
        };
        catalog.add_columns(session, &columns).await?;
        catalog.add_keys(session).await?;
        catalog.add_search_paths(session).await?;
        if version.at_least(10) {
            let rows = session
                .query("read the partition trees", include_str!("catalog/partition_roots.sql"), &[])
                .await?;
            catalog.unstable_roots = rows.iter().map(|row| oid(row.get(0))).collect();
        }
        Ok(catalog)
    }

    /// Relations as an archive holds them; types are not needed any more.
    pub(crate) fn of_archive(version: ServerVersion, relations: Vec<Relation>) -> Self {
        Self {
            version,
            places: relations.iter().enumerate().map(|(at, r)| (r.oid, at)).collect(),
            relations,
            types: HashMap::new(),
            unstable_roots: HashSet::new(),
        }
    }

    /// The relation of that OID.
    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.places.get(&oid).map(|at| &self.relations[*at])
    }

    async fn add_columns(&mut self, session: &Session, sql: &str) -> Result<(), Error> {
        for row in session.query("read the list of columns", sql, &[]).await? {
            if let Some(at) = self.places.get(&oid(row.get(0))) {
                self.relations[*at].columns.push(Column {
                    name: Ident::new(row.get::<_, String>(1)),
                    type_oid: oid(row.get(2)),
                    generated: !row.get::<_, String>(3).is_empty(),
                });
            }
        }
        Ok(())
    }

    async fn add_keys(&mut self, session: &Session) -> Result<(), Error> {
        let rows = session
            .query("read the list of primary keys", include_str!("catalog/keys.sql"), &[])
            .await?;
        let mut keys: HashMap<Oid, Vec<Ident>> = rows
            .iter()
            .map(|row| {
                let columns: Vec<String> = row.get(1);
                (oid(row.get(0)), columns.into_iter().map(Ident::new).collect())
            })
            .collect();
        for relation in &mut self.relations {
            relation.key = keys.remove(&relation.oid).unwrap_or_default();
        }
        Ok(())
    }

    async fn add_search_paths(&mut self, session: &Session) -> Result<(), Error> {
        for (relation, path) in search_paths(session).await? {
            if let Some(at) = self.places.get(&relation) {
                self.relations[*at].search_path = Some(path);
            }
        }
        Ok(())
    }
}

/// One search path of several, if there is any.
pub(crate) fn joined<'p>(paths: impl Iterator<Item = &'p String>) -> Option<String> {
    let paths: BTreeSet<&str> = paths.map(String::as_str).collect();
    let paths: Vec<&str> = paths.into_iter().collect();
    (!paths.is_empty()).then(|| paths.join(", "))
}

/// The relations that may have to be read under a search path, and under which.
pub(crate) async fn search_paths(session: &Session) -> Result<HashMap<Oid, String>, Error> {
    let sql = session.version().sql(include_str!("catalog/search_paths.sql"));
    let rows = session.query("read what indexes call", &sql, &[]).await?;
    Ok(rows.iter().map(|row| (oid(row.get(0)), row.get(1))).collect())
}

/// An OID as SQL gives it: `int8`, since the driver has no unsigned number.
pub(crate) fn oid(value: i64) -> Oid {
    Oid::try_from(value).unwrap_or(0)
}

/// A size as SQL gives it; a negative one cannot be.
pub(crate) fn size(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

async fn read_relations(
    session: &Session,
    sql: &str,
    sizes: &Sizes,
) -> Result<Vec<Relation>, Error> {
    let measured = match sizes {
        Sizes::All => None,
        Sizes::Of(oids) => Some(oids),
    };
    let rows = session.query("read the list of tables", sql, &[&measured]).await?;
    Ok(rows
        .iter()
        .map(|row| Relation {
            oid: oid(row.get(0)),
            name: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
            kind: match row.get::<_, &str>(3) {
                "p" => RelationKind::Partitioned,
                "m" => RelationKind::MaterializedView,
                "S" => RelationKind::Sequence,
                "f" => RelationKind::Foreign,
                _ => RelationKind::Table,
            },
            unlogged: row.get::<_, &str>(4) == "u",
            populated: row.get(5),
            heap_bytes: size(row.get(6)),
            table_bytes: size(row.get(7)),
            is_partition: row.get(8),
            root: row.get::<_, Option<i64>>(9).map(oid),
            is_heap: row.get(10),
            extension_config: row
                .get::<_, Option<String>>(11)
                .map(|name| (name, row.get::<_, Option<String>>(12).unwrap_or_default())),
            belongs_to_extension: row.get(13),
            columns: Vec::new(),
            key: Vec::new(),
            search_path: None,
        })
        .collect())
}

async fn read_types(session: &Session) -> Result<HashMap<Oid, Type>, Error> {
    let rows =
        session.query("read the list of types", include_str!("catalog/types.sql"), &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let fields: Vec<i64> = row.get(11);
            let found = Type {
                oid: oid(row.get(0)),
                schema: row.get(1),
                name: row.get(2),
                kind: match row.get::<_, &str>(3) {
                    "c" => TypeKind::Composite,
                    "d" => TypeKind::Domain,
                    "e" => TypeKind::Enum,
                    "p" => TypeKind::Pseudo,
                    "r" => TypeKind::Range,
                    "m" => TypeKind::Multirange,
                    _ => TypeKind::Base,
                },
                element: oid(row.get(5)),
                base: oid(row.get(6)),
                range_of: oid(row.get(7)),
                send: row.get(8),
                receives: row.get(9),
                extension: row.get(10),
                fields: fields.into_iter().map(oid).collect(),
                field_names: row.get::<_, Vec<String>>(12).into_iter().map(Ident::new).collect(),
            };
            (found.oid, found)
        })
        .collect())
}
