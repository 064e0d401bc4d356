//! One entry of a `pg_dump` archive's table of contents, and the kinds of entries there are.
//!
//! Invariants: an entry is kept as the archive holds it; its `Debug` never shows a statement.

use std::fmt;

/// The number by which entries of one archive refer to each other. Means nothing in another
/// archive, not even of the same schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DumpId(pub i32);

impl fmt::Display for DumpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where `pg_dump` puts an entry (Postgres manual, `pg_dump --section`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Belongs to the section of the entry before it: comments, privileges, labels.
    None,
    /// Must be there before rows come.
    PreData,
    /// Rows, large objects, sequence values.
    Data,
    /// Waits for the rows: indexes, constraints, triggers, rules.
    PostData,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// What an entry makes. The names are those that `pg_dump` 9.6 to 18 write.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// A kind that no `pg_dump` up to 18 writes.
            Unknown(String),
        }

        impl Kind {
            /// The kind of this name.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }

            /// The name as `pg_dump` writes it.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(name) => name,
                }
            }
        }
    };
}

kinds! {
    AccessMethod = "ACCESS METHOD",
    Acl = "ACL",
    Aggregate = "AGGREGATE",
    Blob = "BLOB",
    BlobComments = "BLOB COMMENTS",
    BlobMetadata = "BLOB METADATA",
    Blobs = "BLOBS",
    Cast = "CAST",
    CheckConstraint = "CHECK CONSTRAINT",
    Collation = "COLLATION",
    Comment = "COMMENT",
    Constraint = "CONSTRAINT",
    Conversion = "CONVERSION",
    Database = "DATABASE",
    DatabaseProperties = "DATABASE PROPERTIES",
    Default = "DEFAULT",
    DefaultAcl = "DEFAULT ACL",
    Domain = "DOMAIN",
    Encoding = "ENCODING",
    EventTrigger = "EVENT TRIGGER",
    Extension = "EXTENSION",
    FkConstraint = "FK CONSTRAINT",
    ForeignDataWrapper = "FOREIGN DATA WRAPPER",
    ForeignTable = "FOREIGN TABLE",
    Function = "FUNCTION",
    Index = "INDEX",
    IndexAttach = "INDEX ATTACH",
    MaterializedView = "MATERIALIZED VIEW",
    MaterializedViewData = "MATERIALIZED VIEW DATA",
    Operator = "OPERATOR",
    OperatorClass = "OPERATOR CLASS",
    OperatorFamily = "OPERATOR FAMILY",
    Policy = "POLICY",
    ProceduralLanguage = "PROCEDURAL LANGUAGE",
    Procedure = "PROCEDURE",
    Publication = "PUBLICATION",
    PublicationTable = "PUBLICATION TABLE",
    PublicationSchema = "PUBLICATION TABLES IN SCHEMA",
    RowSecurity = "ROW SECURITY",
    Rule = "RULE",
    Schema = "SCHEMA",
    SearchPath = "SEARCHPATH",
    SecurityLabel = "SECURITY LABEL",
    Sequence = "SEQUENCE",
    SequenceOwnedBy = "SEQUENCE OWNED BY",
    SequenceSet = "SEQUENCE SET",
    Server = "SERVER",
    ShellType = "SHELL TYPE",
    Statistics = "STATISTICS",
    StatisticsData = "STATISTICS DATA",
    StdStrings = "STDSTRINGS",
    Subscription = "SUBSCRIPTION",
    SubscriptionTable = "SUBSCRIPTION TABLE",
    Table = "TABLE",
    TableAttach = "TABLE ATTACH",
    TableData = "TABLE DATA",
    TextSearchConfiguration = "TEXT SEARCH CONFIGURATION",
    TextSearchDictionary = "TEXT SEARCH DICTIONARY",
    TextSearchParser = "TEXT SEARCH PARSER",
    TextSearchTemplate = "TEXT SEARCH TEMPLATE",
    Transform = "TRANSFORM",
    Trigger = "TRIGGER",
    Type = "TYPE",
    UserMapping = "USER MAPPING",
    View = "VIEW",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One entry as the archive holds it. Its texts are UTF-8 and use standard string literals;
/// [`Toc::read`](super::Toc::read) refuses archives where they do not.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number within this archive.
    pub dump_id: DumpId,
    /// OID of the source's catalog that the object is a row of; 0 if none.
    pub table_oid: u32,
    /// OID of the object on the source; 0 if none.
    pub oid: u32,
    /// The object's name, not quoted; for kinds that belong to something also its name
    /// (`table constraint`), for functions the argument types. For people and for selecting, not
    /// for parsing: names may contain blanks.
    pub tag: String,
    /// What it is.
    pub kind: Kind,
    /// Where it belongs.
    pub section: Section,
    /// The statements that make the object. May hold a password.
    pub defn: String,
    /// The statement that drops the object, where there is one.
    pub drop_stmt: Option<String>,
    /// The `COPY` of a table's rows, in `TABLE DATA`.
    pub copy_stmt: Option<String>,
    /// The schema of the object, not quoted.
    pub namespace: Option<String>,
    /// The tablespace: `None` if the object has none, empty for the database's default one.
    pub tablespace: Option<String>,
    /// The table access method.
    pub table_am: Option<String>,
    /// `pg_class.relkind` of a table; only in archives of pg_dump 17 and newer.
    pub relkind: Option<char>,
    /// The owning role, not quoted; empty or `None` if there is none.
    pub owner: Option<String>,
    /// A table `WITH OIDS`, in archives of pg_dump 11 and older.
    pub with_oids: bool,
    /// Entries that must be there first. May name entries that are not in the archive.
    pub dependencies: Vec<DumpId>,
}

impl Entry {
    /// One that `pg_dump` did not write.
    pub(super) fn added(dump_id: DumpId, kind: Kind, defn: &str) -> Self {
        Self {
            dump_id,
            table_oid: 0,
            oid: 0,
            tag: String::new(),
            kind,
            section: Section::None,
            defn: defn.to_owned(),
            drop_stmt: None,
            copy_stmt: None,
            namespace: None,
            tablespace: None,
            table_am: None,
            relkind: None,
            owner: None,
            with_oids: false,
            dependencies: Vec::new(),
        }
    }

    /// The owning role, if there is one.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref().filter(|owner| !owner.is_empty())
    }

    /// The schema, if there is one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }

    /// The object, for people: `schema.name`.
    pub fn object(&self) -> String {
        match self.namespace() {
            Some(namespace) => format!("{namespace}.{}", self.tag),
            None => self.tag.clone(),
        }
    }

    /// Whether this entry's statement needs what another one makes, on which it depends. `pg_dump`
    /// also lets the indexes and keys of a partition depend on those of its parent, which only
    /// attaching needs, and a sequence on the table that owns it.
    pub(super) fn is_made_with(&self, other: &Self) -> bool {
        !matches!(
            (&self.kind, &other.kind),
            (Kind::Index | Kind::Constraint, Kind::Index | Kind::Constraint)
                | (Kind::Sequence, Kind::Table)
        )
    }

    /// Whether the statement is only a comment: `pg_dump` writes one instead of creating the
    /// schema `public`.
    pub fn is_remark(&self) -> bool {
        self.defn.starts_with("--")
    }

    /// Whether the statement may hold a password.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::UserMapping | Kind::Subscription | Kind::Server)
    }
}

/// For people: kind and name, never a statement.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.object())
    }
}

/// Leaves out the statements, since they may hold passwords.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("dump_id", &self.dump_id.0)
            .field("kind", &self.kind.name())
            .field("namespace", &self.namespace)
            .field("tag", &self.tag)
            .field("section", &self.section)
            .field("owner", &self.owner)
            .field("dependencies", &self.dependencies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An entry of which only kind and statement matter.
    pub(in crate::schema) fn entry(kind: Kind, defn: &str) -> Entry {
        Entry::added(DumpId(1), kind, defn)
    }

    #[test]
    fn debug_shows_no_statement() {
        let mut entry = entry(Kind::UserMapping, "OPTIONS (password 'hunter2')");
        entry.drop_stmt = Some("hunter2".to_owned());
        entry.copy_stmt = Some("hunter2".to_owned());
        assert!(!format!("{entry:?} {entry} {entry:#?}").contains("hunter2"));
    }
}
