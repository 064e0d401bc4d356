//! A table of one side, and the statements that read it.
//!
//! Invariants: `only` the relation itself is read, unless its partitions are meant; a condition that
//! some rows only count stands in every statement.

use pghaul_rows::layout::CopyFormat;
use pghaul_rows::{ImageKind, Tid};

use crate::name::RelationName;
use crate::plan::format::{ServerImage, TableFormat};
use crate::plan::format_name;

/// A table of one side: where its rows lie, and how they become images.
#[derive(Debug, Clone)]
pub struct SideTable {
    /// One, or the leaves of a partition tree.
    pub heaps: Vec<Heap>,
    /// How they are read; all heaps alike.
    pub format: TableFormat,
    /// The places, in the format's columns, of those that name a row; empty: its digest does.
    pub key: Vec<usize>,
    /// What this key is.
    pub key_kind: KeyKind,
    /// Who makes the digests.
    pub digested_by: DigestedBy,
    /// A condition over all rows, for a sample; empty for none.
    pub sample: String,
}

/// What names the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// The primary key, whose values may be told.
    #[default]
    Primary,
    /// Another unique key: its values are told only where values are.
    Unique,
}

/// A relation that holds rows.
#[derive(Debug, Clone)]
pub struct Heap {
    /// Its name.
    pub name: RelationName,
    /// Which of its rows: those in it, or those of its partitions too.
    pub rows: RowsOf,
    /// A condition for the rows that count, else empty.
    pub condition: String,
    /// Whether a ctid is a block and a line there.
    pub has_ctid: bool,
    /// Bytes on disk, TOAST included.
    pub bytes: u64,
    /// Bytes of the main fork.
    pub heap_bytes: u64,
}

/// Whose rows are read with a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOf {
    /// Its own.
    Itself,
    /// Those of its partitions.
    Partitions,
}

/// Who makes the digests.
#[derive(Debug, Clone)]
pub enum DigestedBy {
    /// pghaul, from the rows it is sent.
    Client,
    /// The server; only digests are sent.
    Server(ServerImage, ServerHash),
}

/// What a server hashes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHash {
    /// From 11 on.
    Sha256,
    /// All there is before.
    Md5,
}

impl ServerHash {
    /// The hash of an image, in hex.
    pub(super) fn of(self, image: &str) -> String {
        match self {
            Self::Sha256 => {
                format!("pg_catalog.encode(pg_catalog.sha256({image}), 'hex')")
            }
            Self::Md5 => format!("pg_catalog.md5({image})"),
        }
    }
}

/// Blocks of a heap: from the first, up to the one before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocks {
    /// None: from the beginning.
    pub from: Option<u32>,
    /// None: to the end.
    pub until: Option<u32>,
}
impl SideTable {
    /// Of what the digests are made. Digests of different kinds say nothing about each other.
    pub fn image_kind(&self) -> ImageKind {
        let binary = self.format.format == CopyFormat::Binary;
        match &self.digested_by {
            DigestedBy::Client | DigestedBy::Server(_, ServerHash::Sha256) => {
                self.format.layout.image_kind()
            }
            DigestedBy::Server(_, ServerHash::Md5) if binary => ImageKind::Md5Binary,
            DigestedBy::Server(_, ServerHash::Md5) => ImageKind::Md5Text,
        }
    }

    /// `COPY … TO STDOUT` of all rows of a heap, without ctids.
    pub(crate) fn statement(&self, heap: &Heap) -> String {
        self.copy(heap, WithCtid::No, Blocks::default(), None)
    }

    /// Bytes on disk of all heaps.
    pub fn bytes(&self) -> u64 {
        self.heaps.iter().map(|heap| heap.bytes).sum()
    }

    /// `from … where …` of some blocks of a heap.
    pub(super) fn from(&self, heap: &Heap, blocks: Blocks, more: Option<String>) -> String {
        let only = match heap.rows {
            RowsOf::Itself => "only ",
            RowsOf::Partitions => "",
        };
        let tid = |block: u32| Tid { block, offset: 0 };
        let own = |condition: &String| (!condition.is_empty()).then(|| format!("({condition})"));
        let conditions: Vec<String> = [
            own(&heap.condition),
            own(&self.sample),
            blocks.from.map(|block| format!("ctid >= '{}'::pg_catalog.tid", tid(block))),
            blocks.until.map(|block| format!("ctid < '{}'::pg_catalog.tid", tid(block))),
            more,
        ]
        .into_iter()
        .flatten()
        .collect();
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!(" where {}", conditions.join(" and "))
        };
        format!("from {only}{}{condition}", heap.name.quoted())
    }

    /// `COPY … TO STDOUT` of rows in this table's layout.
    pub(super) fn copy(
        &self,
        heap: &Heap,
        ctid: WithCtid,
        blocks: Blocks,
        more: Option<String>,
    ) -> String {
        let expressions: Vec<&str> = (ctid == WithCtid::Yes)
            .then_some("ctid")
            .into_iter()
            .chain(self.format.source_expressions.iter().map(String::as_str))
            .chain(self.format.hidden.iter().map(String::as_str))
            .collect();
        format!(
            "copy (select {} {}) to stdout with (format {})",
            expressions.join(", "),
            self.from(heap, blocks, more),
            format_name(self.format.format)
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WithCtid {
    Yes,
    No,
}

impl WithCtid {
    pub(super) fn of(heap: &Heap) -> Self {
        if heap.has_ctid { Self::Yes } else { Self::No }
    }
}
