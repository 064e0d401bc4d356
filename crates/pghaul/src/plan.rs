//! What a run will do, before it does it: tables, formats, parts, and what is read back.
//!
//! Invariants: made from catalogs and sizes alone, never from estimates that need ANALYZE; the
//! same catalogs and options give the same plan; the parts of a table cover every block that
//! can hold a row, so their outer ends are open; a pattern that matches nothing is an error.

pub mod filter;
pub mod format;
pub mod parts;

use std::collections::BTreeMap;

use pghaul_rows::Tid;
use pghaul_rows::layout::CopyFormat;

use crate::catalog::{Catalog, Relation, RelationKind};
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};
use format::{Formats, TableFormat};
pub use parts::{Part, PartId, PartSizing};

/// Statements around each COPY into a table, in its transaction, each with its semicolon. Empty
/// for tables that the run makes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Keeps triggers from firing.
    pub before: String,
    /// Puts everything back as it was.
    pub after: String,
}

impl Guard {
    /// Whether it changes the table for the time of the transaction, which takes a lock that
    /// allows one piece at a time (Postgres manual, `ALTER TABLE`: SHARE ROW EXCLUSIVE).
    pub fn locks(&self) -> bool {
        !self.after.is_empty()
    }

    /// Whether foreign keys neither check nor cascade (Postgres manual, 19.11,
    /// `session_replication_role`).
    pub fn silences_foreign_keys(&self) -> bool {
        self.before.contains("session_replication_role")
    }
}

/// A table to copy.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TablePlan {
    /// Its OID on the source.
    pub oid: u32,
    /// The table on the source.
    pub name: RelationName,
    /// The table on the target that is written to: the root of the tree where the partition
    /// bounds may mean something else there, else the table of the same name.
    pub written_to: RelationName,
    /// How it travels.
    pub format: TableFormat,
    /// Bytes on the source's disk, TOAST included.
    pub bytes: u64,
    /// For a configuration table of an extension, the condition for the rows to take along, else
    /// empty.
    pub condition: String,
    /// The extension whose configuration table it is, if it is one.
    pub extension: Option<String>,
    /// Whether the reading delivers ctids.
    pub has_ctid: bool,
    /// The columns of the primary key, for naming rows.
    pub key: Vec<Ident>,
    /// Whether the run makes it, so that no rows but the run's can be in it.
    pub is_new: bool,
    /// What surrounds each COPY into it.
    pub guard: Guard,
    /// Tables of [`Plan::tables`] whose rows must be in before, since foreign keys check each row.
    pub behind: Vec<usize>,
}

/// A table to read back on the target and to compare with what was read on the source.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The table on the target.
    pub name: RelationName,
    /// The tables of [`Plan::tables`] whose digests add up to it.
    pub tables: Vec<usize>,
    /// Whether its partitions are read along: compared per root.
    pub with_partitions: bool,
}

/// The plan of the data.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// Tables, biggest first.
    pub tables: Vec<TablePlan>,
    /// Parts, in the order of the tables; ids are places in this list.
    pub parts: Vec<Part>,
    /// What is read back.
    pub read_backs: Vec<ReadBack>,
    /// Materialized views of the source that are populated, to be refreshed.
    pub refreshes: Vec<RelationName>,
    /// Sequences.
    pub sequences: Vec<RelationName>,
}

impl Plan {
    /// Plans all relations that are wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Preflight`] when binary is insisted on and not safe for a table.
    pub fn make(
        catalog: &Catalog,
        formats: &Formats<'_>,
        wants: impl Fn(&Relation) -> bool,
        sizing: PartSizing,
    ) -> Result<Self, Error> {
        let mut plan = Self::default();
        let mut wanted: Vec<&Relation> = catalog
            .relations
            .iter()
            .filter(|relation| wants(relation) && !relation.belongs_to_extension)
            .collect();
        wanted.sort_by(|a, b| b.table_bytes.cmp(&a.table_bytes).then_with(|| a.name.cmp(&b.name)));
        for relation in wanted {
            match relation.kind {
                RelationKind::Table => {
                    plan.tables.push(table(catalog, formats, relation)?);
                }
                RelationKind::MaterializedView if relation.populated => {
                    plan.refreshes.push(relation.name.clone());
                }
                RelationKind::Sequence => plan.sequences.push(relation.name.clone()),
                RelationKind::MaterializedView
                | RelationKind::Partitioned
                | RelationKind::Foreign => {}
            }
        }
        for (at, table) in plan.tables.iter().enumerate() {
            let relation = catalog.relation(table.oid);
            let heap_bytes = relation.map_or(0, |relation| relation.heap_bytes);
            let splittable = table.has_ctid && table.condition.is_empty();
            parts::split(&mut plan.parts, at, heap_bytes, table.bytes, splittable, sizing);
        }
        plan.read_backs = read_backs(&plan.tables);
        Ok(plan)
    }

    /// The bytes of all tables.
    pub fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.bytes).sum()
    }

    /// The parts of one table.
    pub fn parts_of(&self, table: usize) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.table == table)
    }
}

impl TablePlan {
    /// `COPY (SELECT …) TO STDOUT` of one part, from `resume` on where the part was begun before.
    pub fn read_statement(&self, part: &Part, resume: Option<Tid>) -> String {
        self.statement(part, resume, self.has_ctid.then_some("ctid"))
    }

    /// The same of all of a part, whose rows are those of `layout_without_ctid`.
    pub(crate) fn read_statement_without_ctid(&self, part: &Part) -> String {
        self.statement(part, None, None)
    }

    fn statement(&self, part: &Part, resume: Option<Tid>, first: Option<&str>) -> String {
        let lower = resume.or(part.from.map(|block| Tid { block, offset: 0 }));
        let upper = part.until.map(|block| Tid { block, offset: 0 });
        let bounds: Vec<String> = [lower.map(|tid| (">=", tid)), upper.map(|tid| ("<", tid))]
            .into_iter()
            .flatten()
            .map(|(operator, tid)| format!("ctid {operator} '{tid}'::pg_catalog.tid"))
            .collect();
        let condition = self.condition_and(&bounds);
        let expressions: Vec<&str> = first
            .into_iter()
            .chain(self.format.source_expressions.iter().map(String::as_str))
            .chain(self.format.hidden.iter().map(String::as_str))
            .collect();
        format!(
            "copy (select {} from only {} {condition}) to stdout with (format {})",
            expressions.join(", "),
            self.name.quoted(),
            format_name(self.format.format)
        )
    }

    /// `COPY … FROM STDIN`.
    pub fn write_statement(&self) -> String {
        self.write_with("")
    }

    /// The same for rows that go in frozen, behind what has to stand before it.
    pub(crate) fn write_frozen_statements(&self) -> (String, String) {
        (format!("truncate only {}", self.written_to.quoted()), self.write_with(", freeze"))
    }

    fn write_with(&self, options: &str) -> String {
        let columns = if self.format.columns.is_empty() {
            String::new()
        } else {
            format!(" ({})", quoted_list(&self.format.columns))
        };
        format!(
            "copy {}{columns} from stdin with (format {}{options})",
            self.written_to.quoted(),
            format_name(self.format.format)
        )
    }

    /// The name of the image that its digests are made of.
    pub fn image_name(&self) -> &'static str {
        self.format.layout.image_kind().name()
    }

    fn condition_and(&self, bounds: &[String]) -> String {
        let own = (!self.condition.is_empty()).then(|| format!("({})", self.condition));
        let all: Vec<String> = own.into_iter().chain(bounds.iter().cloned()).collect();
        if all.is_empty() { String::new() } else { format!("where {}", all.join(" and ")) }
    }
}

/// The word of COPY for a format.
pub fn format_name(format: CopyFormat) -> &'static str {
    match format {
        CopyFormat::Text => "text",
        CopyFormat::Binary => "binary",
    }
}

fn quoted_list(names: &[Ident]) -> String {
    names.iter().map(Ident::quoted).collect::<Vec<_>>().join(", ")
}

fn table(
    catalog: &Catalog,
    formats: &Formats<'_>,
    relation: &Relation,
) -> Result<TablePlan, Error> {
    let through = relation
        .root
        .filter(|root| catalog.unstable_roots.contains(root))
        .and_then(|root| catalog.relation(root));
    // Through the root, the leaf's columns travel in the root's order: leaves of one tree may
    // differ in it, and their digests have to add up.
    let ordered = through.unwrap_or(relation);
    let columns: Vec<Ident> = ordered
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| column.name.clone())
        .collect();
    let format = formats.of(relation, &columns);
    if formats.insists_on_binary() && format.format == CopyFormat::Text {
        return Err(Error::new(
            ErrorKind::Preflight,
            format!("cannot copy `{}` in binary: {}", relation.name, format.reason),
        )
        .with_hint(
            "use --format auto, which takes text for this table and binary for the others",
        ));
    }
    Ok(TablePlan {
        oid: relation.oid,
        name: relation.name.clone(),
        written_to: through.unwrap_or(relation).name.clone(),
        format,
        bytes: relation.table_bytes,
        condition: relation
            .extension_config
            .as_ref()
            .map(|(_, condition)| without_where(condition).to_owned())
            .unwrap_or_default(),
        extension: relation.extension_config.as_ref().map(|(extension, _)| extension.clone()),
        has_ctid: relation.is_heap,
        key: relation.key.clone(),
        is_new: relation.extension_config.is_none(),
        guard: Guard::default(),
        behind: Vec::new(),
    })
}

/// `pg_extension_config_dump` takes its condition with the word WHERE (manual, 36.17.3).
pub(crate) fn without_where(condition: &str) -> &str {
    let condition = condition.trim();
    match condition.get(..5) {
        Some(word) if word.eq_ignore_ascii_case("where") => condition[5..].trim(),
        _ => condition,
    }
}

pub(crate) fn read_backs(tables: &[TablePlan]) -> Vec<ReadBack> {
    let mut by_target: BTreeMap<&RelationName, ReadBack> = BTreeMap::new();
    for (at, table) in tables.iter().enumerate() {
        by_target
            .entry(&table.written_to)
            .or_insert_with(|| ReadBack {
                name: table.written_to.clone(),
                tables: Vec::new(),
                with_partitions: table.written_to != table.name,
            })
            .tables
            .push(at);
    }
    let mut all: Vec<ReadBack> = by_target.into_values().collect();
    all.sort_by_key(|read_back| read_back.tables.first().copied());
    all
}
