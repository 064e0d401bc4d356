//! Between the engine's words and those of an archive.
//!
//! Invariant: what is written to an archive and read again is the same, as far as the archive's
//! format holds it; nothing of a target gets in.

pub mod verify;
pub(crate) mod whole;

use std::sync::Arc;

use pghaul_archive::contents::{self, Contents, Name};
use pghaul_archive::layout::{WireColumn, WireHidden, of_server};
use pghaul_archive::{ArchiveError, Manifest};
use pghaul_rows::layout::Layout;

use crate::catalog::{Catalog, Relation, RelationKind};
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};
use crate::plan::format::TableFormat;
use crate::plan::{Guard, TablePlan};
use crate::schema::{DumpId, Entry, Kind, Section};
use crate::state::DatabaseIdentity;
use crate::transfer::large_objects::LargeObject;
use crate::version::ServerVersion;

/// An archive that cannot be read or written, as an error of the engine.
pub(crate) fn failed(error: ArchiveError) -> Error {
    match error {
        ArchiveError::Io { doing, file, source } => {
            let hint = match source.kind() {
                std::io::ErrorKind::StorageFull
                | std::io::ErrorKind::QuotaExceeded
                | std::io::ErrorKind::FileTooLarge => {
                    Some("make room there; what is finished is kept, and the same command goes on")
                }
                std::io::ErrorKind::PermissionDenied => {
                    Some("give the user that runs the right to read and write there")
                }
                _ => None,
            };
            let error =
                Error::new(ErrorKind::LocalIo, format!("cannot {doing} {file}")).caused_by(source);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        damaged => {
            let newer = matches!(
                damaged,
                ArchiveError::Damaged { problem: pghaul_archive::Problem::NewerVersion { .. }, .. }
            );
            let (what, hint) = if newer {
                (
                    "the archive is too new",
                    "use the release of pghaul that wrote it, or a newer one",
                )
            } else {
                (
                    "the archive is damaged or incomplete",
                    "take another archive or another copy of this one; nothing of a damaged frame was used",
                )
            };
            Error::new(ErrorKind::Archive, what).caused_by(damaged).with_hint(hint)
        }
    }
}

pub(crate) fn to_name(name: &RelationName) -> Name {
    Name { schema: name.schema.as_str().to_owned(), name: name.name.as_str().to_owned() }
}

pub(crate) fn from_name(name: &Name) -> RelationName {
    RelationName::new(&name.schema, &name.name)
}

pub(crate) fn to_source(identity: &DatabaseIdentity) -> contents::Source {
    contents::Source {
        system: identity.system.clone(),
        database_oid: identity.database_oid,
        database: identity.database.clone(),
        version: identity.version,
    }
}

pub(crate) fn from_source(source: &contents::Source) -> DatabaseIdentity {
    DatabaseIdentity {
        system: source.system.clone(),
        database_oid: source.database_oid,
        database: source.database.clone(),
        version: source.version,
    }
}

pub(crate) fn to_entry(entry: &Entry) -> contents::Entry {
    contents::Entry {
        id: entry.dump_id.0,
        catalog: entry.table_oid,
        oid: entry.oid,
        tag: entry.tag.clone(),
        kind: entry.kind.name().to_owned(),
        section: match entry.section {
            Section::None => contents::Section::None,
            Section::PreData => contents::Section::PreData,
            Section::Data => contents::Section::Data,
            Section::PostData => contents::Section::PostData,
        },
        statement: entry.defn.clone(),
        drop: entry.drop_stmt.clone(),
        namespace: entry.namespace.clone(),
        tablespace: entry.tablespace.clone(),
        access_method: entry.table_am.clone(),
        relkind: entry.relkind,
        owner: entry.owner.clone(),
        with_oids: entry.with_oids,
        dependencies: entry.dependencies.iter().map(|id| id.0).collect(),
    }
}

pub(crate) fn from_entry(entry: &contents::Entry) -> Entry {
    Entry {
        dump_id: DumpId(entry.id),
        table_oid: entry.catalog,
        oid: entry.oid,
        tag: entry.tag.clone(),
        kind: Kind::from_name(&entry.kind),
        section: match entry.section {
            contents::Section::None => Section::None,
            contents::Section::PreData => Section::PreData,
            contents::Section::Data => Section::Data,
            contents::Section::PostData => Section::PostData,
        },
        defn: entry.statement.clone(),
        drop_stmt: entry.drop.clone(),
        copy_stmt: None,
        namespace: entry.namespace.clone(),
        tablespace: entry.tablespace.clone(),
        table_am: entry.access_method.clone(),
        relkind: entry.relkind,
        owner: entry.owner.clone(),
        with_oids: entry.with_oids,
        dependencies: entry.dependencies.iter().map(|id| DumpId(*id)).collect(),
    }
}

pub(crate) fn to_relation(relation: &Relation) -> contents::Relation {
    contents::Relation {
        oid: relation.oid,
        name: to_name(&relation.name),
        kind: match relation.kind {
            RelationKind::Table => contents::RelationKind::Table,
            RelationKind::Partitioned => contents::RelationKind::Partitioned,
            RelationKind::MaterializedView => contents::RelationKind::MaterializedView,
            RelationKind::Sequence => contents::RelationKind::Sequence,
            RelationKind::Foreign => contents::RelationKind::Foreign,
        },
        populated: relation.populated,
        root: relation.root,
        extension: relation.extension_config.as_ref().map(|(extension, _)| extension.clone()),
    }
}

/// The catalog of the source, as far as patterns and the plan of a restore need it.
pub(crate) fn to_catalog(contents: &Contents) -> Catalog {
    let relations = contents
        .relations
        .iter()
        .map(|relation| Relation {
            oid: relation.oid,
            name: from_name(&relation.name),
            kind: match relation.kind {
                contents::RelationKind::Table => RelationKind::Table,
                contents::RelationKind::Partitioned => RelationKind::Partitioned,
                contents::RelationKind::MaterializedView => RelationKind::MaterializedView,
                contents::RelationKind::Sequence => RelationKind::Sequence,
                contents::RelationKind::Foreign => RelationKind::Foreign,
            },
            unlogged: false,
            populated: relation.populated,
            heap_bytes: 0,
            table_bytes: 0,
            is_partition: relation.root.is_some(),
            root: relation.root,
            is_heap: true,
            extension_config: relation
                .extension
                .as_ref()
                .map(|extension| (extension.clone(), String::new())),
            belongs_to_extension: false,
            columns: Vec::new(),
            key: Vec::new(),
            search_path: None,
        })
        .collect();
    Catalog::of_archive(ServerVersion::from_num(contents.source.version), relations)
}

pub(crate) fn to_table(table: &TablePlan) -> contents::Table {
    let format = &table.format;
    let layout = &format.layout_without_ctid;
    let hidden = layout
        .hidden
        .iter()
        .zip(&format.hidden)
        .map(|(field, expression)| WireHidden {
            column: u32::try_from(field.column).unwrap_or(u32::MAX),
            shape: (&field.shape).into(),
            expression: expression.clone(),
        })
        .collect();
    contents::Table {
        oid: table.oid,
        name: to_name(&table.name),
        written_to: to_name(&table.written_to),
        format: layout.format.into(),
        reason: format.reason.clone(),
        image: layout.image_kind().name().to_owned(),
        columns: format
            .columns
            .iter()
            .zip(&layout.columns)
            .map(|(name, column)| WireColumn {
                name: name.as_str().to_owned(),
                image_type: column.image_type,
                shape: (&column.shape).into(),
            })
            .collect(),
        hidden,
        condition: table.condition.clone(),
        heap: table.has_ctid,
        bytes: table.bytes,
        key: table.key.iter().map(|column| column.as_str().to_owned()).collect(),
    }
}

/// The plan of a table; which extension it may belong to, the relations of the contents say.
pub(crate) fn from_table(table: &contents::Table) -> TablePlan {
    let layout = of_server(table.format, &table.columns, &table.hidden);
    let columns: Vec<Ident> = table.columns.iter().map(|column| Ident::new(&column.name)).collect();
    TablePlan {
        oid: table.oid,
        name: from_name(&table.name),
        written_to: from_name(&table.written_to),
        format: TableFormat {
            format: layout.format,
            reason: table.reason.clone(),
            search_path: None,
            source_expressions: columns.iter().map(Ident::quoted).collect(),
            columns,
            hidden: table.hidden.iter().map(|field| field.expression.clone()).collect(),
            layout: Arc::new(Layout { with_ctid: true, ..layout.clone() }),
            layout_without_ctid: Arc::new(layout),
        },
        bytes: table.bytes,
        condition: table.condition.clone(),
        extension: None,
        has_ctid: table.heap,
        key: table.key.iter().map(Ident::new).collect(),
        is_new: true,
        guard: Guard::default(),
        behind: Vec::new(),
    }
}

pub(crate) fn to_large_object(object: &LargeObject) -> contents::LargeObject {
    let grant = |(grantee, privilege, option): &(Option<Ident>, String, bool)| {
        (grantee.as_ref().map(|role| role.as_str().to_owned()), privilege.clone(), *option)
    };
    contents::LargeObject {
        oid: object.oid,
        owner: object.owner.as_str().to_owned(),
        grants: object.grants.as_ref().map(|grants| grants.iter().map(grant).collect()),
        comment: object.comment.clone(),
    }
}

pub(crate) fn from_large_object(object: &contents::LargeObject) -> LargeObject {
    let grant = |(grantee, privilege, option): &(Option<String>, String, bool)| {
        (grantee.as_ref().map(Ident::new), privilege.clone(), *option)
    };
    LargeObject {
        oid: object.oid,
        owner: Ident::new(&object.owner),
        grants: object.grants.as_ref().map(|grants| grants.iter().map(grant).collect()),
        comment: object.comment.clone(),
    }
}

/// What an archive says of itself, for people and scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The database it was made from.
    pub source: DatabaseIdentity,
    /// When it was finished: UTC, as `2026-11-22T06:11:08Z`.
    pub finished: String,
    /// Why all its rows are of one moment.
    pub consistency: String,
    /// Tables with rows in it.
    pub tables: usize,
    /// Rows of all of them.
    pub rows: u64,
    /// Large objects.
    pub large_objects: usize,
    /// Bytes of all its files but the manifest.
    pub bytes: u64,
}

impl Summary {
    pub(crate) fn of(manifest: &Manifest, contents: &Contents) -> Self {
        let files: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        let pieces: u64 = manifest.pieces.iter().map(|piece| piece.bytes).sum();
        let rows = manifest.pieces.iter().filter(|piece| piece.table.is_some());
        Self {
            source: from_source(&manifest.source),
            finished: manifest.finished.clone(),
            consistency: manifest.consistency.clone(),
            tables: contents.tables.len(),
            rows: rows.map(|piece| piece.rows).sum(),
            large_objects: contents.large_objects.len(),
            bytes: files + pieces,
        }
    }
}

/// UTC, as `2026-11-22T06:11:08Z` (RFC 3339).
pub(crate) fn utc(time: std::time::SystemTime) -> String {
    let seconds = time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date, by eras of 400 years that begin on 1 March (Hinnant, "chrono-Compatible
    // Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::utc;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // `date -u -d @…`
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_327_868, "2026-11-22T06:11:08Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
