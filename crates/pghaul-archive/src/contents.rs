//! `contents.jsonl`: what an archive holds, known before its first row.
//!
//! Invariant: everything is as the source had it at the archive's moment; nothing here depends on
//! a target.

use serde::{Deserialize, Serialize};

use crate::error::{ArchiveError, Problem};
use crate::layout::{WireColumn, WireFormat, WireHidden};
use crate::name::ArchiveId;
use crate::seal::{seal, unseal};

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// The archive.
    pub archive: ArchiveId,
    /// What wrote it, as `pghaul 0.1.0`.
    pub tool: String,
    /// When it was begun: UTC, as `2026-11-22T06:11:08Z`.
    pub begun: String,
    /// The database it was made from.
    pub source: Source,
    /// What was asked for.
    pub asked: Asked,
    /// How the source's database reads and sorts text; none: not noted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub locale: Option<Locale>,
    /// The version of the `pg_dump` that described the schema (`server_version_num`).
    pub pg_dump: u32,
    /// The entries of the schema, in the order of `pg_dump`'s archive.
    pub entries: Vec<Entry>,
    /// Relations, for patterns and for what is restored of them.
    pub relations: Vec<Relation>,
    /// Tables whose rows are in the archive.
    pub tables: Vec<Table>,
    /// Large objects without their contents, by OID.
    pub large_objects: Vec<LargeObject>,
    /// What was left out, for people.
    pub left_out: Vec<String>,
}

/// The database that an archive was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `pg_control_system()`'s system identifier, where the role could ask.
    pub system: Option<String>,
    /// The OID of the database.
    pub database_oid: u32,
    /// Its name.
    pub database: String,
    /// `server_version_num`.
    pub version: u32,
}

/// How a database reads and sorts text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locale {
    /// Its encoding, as Postgres names it. Rows as text are UTF-8 in an archive, whatever this is;
    /// but for `SQL_ASCII`, whose bytes nobody converts.
    pub encoding: String,
    /// Who compares texts: `libc`, `icu`, `builtin`.
    pub provider: String,
    /// The collation's name there.
    pub name: String,
    /// `LC_CTYPE`.
    pub ctype: String,
}

/// What was asked for when the archive was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Everything, only the schema, only rows.
    pub scope: Scope,
    /// Globs over `schema.table`; empty: all.
    pub include: Vec<String>,
    /// Globs over `schema.table`.
    pub exclude: Vec<String>,
}

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Schema and rows.
    #[default]
    Everything,
    /// Only the schema.
    SchemaOnly,
    /// Only rows.
    DataOnly,
}

/// An entry of `pg_dump`'s table of contents.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number in `pg_dump`'s archive.
    pub id: i32,
    /// OID of the catalog.
    pub catalog: u32,
    /// OID of the object.
    pub oid: u32,
    /// The object's name.
    pub tag: String,
    /// What it is, as `pg_dump` calls it.
    pub kind: String,
    /// `none`, `pre-data`, `data` or `post-data`.
    pub section: Section,
    /// The statements that make it. May hold a password.
    pub statement: String,
    /// The statement that drops it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drop: Option<String>,
    /// The schema.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<String>,
    /// The tablespace.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tablespace: Option<String>,
    /// The table access method.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access_method: Option<String>,
    /// `pg_class.relkind`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relkind: Option<char>,
    /// The owner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// A table WITH OIDS.
    pub with_oids: bool,
    /// Entries that must be there first.
    pub dependencies: Vec<i32>,
}

/// Leaves out the statements, since they may hold passwords.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("namespace", &self.namespace)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

/// Where `pg_dump` puts an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// That of the entry before it.
    None,
    /// Before rows.
    PreData,
    /// Rows.
    Data,
    /// After rows.
    PostData,
}

/// A relation by schema and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The schema.
    pub schema: String,
    /// The name in it.
    pub name: String,
}

/// A relation of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Its OID on the source.
    pub oid: u32,
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: RelationKind,
    /// False for a materialized view without data.
    pub populated: bool,
    /// The root of its partition tree, if it is a partition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root: Option<u32>,
    /// The extension whose configuration it holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extension: Option<String>,
}

/// The kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table or leaf partition.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A materialized view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// A foreign table.
    Foreign,
}

/// A table whose rows are in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its OID on the source.
    pub oid: u32,
    /// Its name.
    pub name: Name,
    /// The table that its rows are written to: the root of its tree where partition bounds may
    /// mean something else on the target, else itself.
    pub written_to: Name,
    /// How its rows are in the pieces.
    pub format: WireFormat,
    /// Why, for people.
    pub reason: String,
    /// The kind of image that its digests are of.
    pub image: String,
    /// The columns, in the order of the pieces.
    pub columns: Vec<WireColumn>,
    /// Fields of a server's stream that only the digest needs.
    pub hidden: Vec<WireHidden>,
    /// For a configuration table of an extension, the condition for the rows that are taken.
    pub condition: String,
    /// Whether its rows lie in a heap and have a ctid.
    pub heap: bool,
    /// Bytes on the source's disk, TOAST included.
    pub bytes: u64,
    /// The columns of its primary key.
    pub key: Vec<String>,
}

/// A large object without its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargeObject {
    /// Its OID.
    pub oid: u32,
    /// The owner.
    pub owner: String,
    /// Grantee (none: PUBLIC), privilege, grant option; none for the default privileges.
    pub grants: Option<Vec<(Option<String>, String, bool)>>,
    /// The comment.
    pub comment: Option<String>,
}

/// The name in the seal.
const KIND: &str = "contents";

impl Contents {
    /// As a document.
    ///
    /// # Errors
    /// As [`seal`].
    pub fn to_document(&self) -> Result<Vec<u8>, ArchiveError> {
        seal(KIND, self)
    }

    /// From a document; what it says of itself fits together.
    ///
    /// # Errors
    /// As [`unseal`]; [`Problem::Document`] for what does not fit.
    pub fn from_document(document: &[u8]) -> Result<Self, ArchiveError> {
        let contents: Self = unseal(KIND, document)?;
        contents
            .check()
            .map_err(|what| ArchiveError::damaged("contents.jsonl", Problem::Document(what)))?;
        Ok(contents)
    }

    fn check(&self) -> Result<(), String> {
        for table in &self.tables {
            let layout = crate::layout::of_server(table.format, &table.columns, &table.hidden);
            layout.check().map_err(|error| error.to_string())?;
            if table.image != layout.image_kind().name() {
                return Err(format!("an unknown kind of image, {:?}", cut(&table.image)));
            }
        }
        let ascending = self.large_objects.windows(2).all(|pair| pair[0].oid < pair[1].oid);
        if ascending { Ok(()) } else { Err("large objects out of order".to_owned()) }
    }
}

/// A text from an archive, short enough for a message.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
