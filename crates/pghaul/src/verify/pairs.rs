//! Which tables are compared with which, and how they are read.
//!
//! Invariants: tables meet by name, columns too; the partitions of a tree are compared together,
//! as their root, since nothing says that both sides have the same ones; what one side alone has
//! is a finding; of what is compared, both sides have the same columns in the same places, read
//! to images of one kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::Row;

use super::options::{Depth, DigestOn};
use super::reading::{DigestedBy, Heap, KeyKind, RowsOf, ServerHash, SideTable};
use crate::catalog::{Catalog, Oid, Relation, RelationKind, oid};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName};
use crate::plan::filter::Filter;
use crate::plan::format::{Formats, PairFormat, ServerImage, pair};

/// What a pair of tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKind {
    /// Tables, partitioned or not.
    Tables,
    /// Materialized views: what they hold was computed and not copied.
    MaterializedViews,
}

/// Two tables that are compared.
#[derive(Debug, Clone)]
pub struct TablePair {
    /// The name that both have; of partitions that of their root.
    pub name: RelationName,
    /// What they are.
    pub kind: PairKind,
    /// On the source.
    pub source: SideTable,
    /// On the target.
    pub target: SideTable,
    /// The columns that name rows; none: their digest does.
    pub key: Vec<Ident>,
    /// Whether only some of the rows are digested, as was asked.
    pub sampled: bool,
}

/// What there is to compare.
#[derive(Debug, Default)]
pub struct Pairs {
    /// The tables, biggest first.
    pub tables: Vec<TablePair>,
    /// What has no counterpart, and what is left out.
    pub findings: Vec<Finding>,
}

/// The columns that name the rows of a table without a primary key.
pub(crate) type UniqueKeys = HashMap<Oid, Vec<Ident>>;

/// Reads them in the session's current snapshot.
pub(super) async fn unique_keys(session: &Session) -> Result<UniqueKeys, Error> {
    let sql = include_str!("unique_keys.sql");
    let rows = session.query("read the list of unique keys", sql, &[]);
    let rows = session.with_catalog_indexes(rows).await?;
    let columns = |row: &Row| {
        let columns: Vec<String> = row.get(1);
        (oid(row.get(0)), columns.into_iter().map(Ident::new).collect())
    };
    Ok(rows.iter().map(columns).collect())
}

/// One side, as far as its tables matter.
pub(super) struct Known<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) formats: Formats<'a>,
    unique_keys: UniqueKeys,
}

impl<'a> Known<'a> {
    pub(super) fn new(catalog: &'a Catalog, unique_keys: UniqueKeys) -> Self {
        Self { catalog, formats: Formats::comparing(catalog), unique_keys }
    }

    /// The columns that name the rows of a relation.
    fn key(&self, relation: &Relation) -> (Vec<Ident>, KeyKind) {
        if relation.key.is_empty() {
            let key = self.unique_keys.get(&relation.oid).cloned().unwrap_or_default();
            (key, KeyKind::Unique)
        } else {
            (relation.key.clone(), KeyKind::Primary)
        }
    }
}

/// Relations of one side under one name.
struct Group<'a> {
    /// The table, or the root of the tree.
    head: &'a Relation,
    heaps: Vec<&'a Relation>,
}

/// Pairs the tables of both sides.
pub(super) fn pairs(
    source: &Known<'_>,
    target: &Known<'_>,
    filter: &Filter,
    (depth, digest_on): (Depth, DigestOn),
) -> Pairs {
    let mut pairs = Pairs::default();
    let left = groups(source.catalog, filter, &mut pairs.findings);
    let right = groups(target.catalog, filter, &mut pairs.findings);
    let names: BTreeSet<&RelationName> = left.keys().chain(right.keys()).copied().collect();
    for name in names {
        match (left.get(name), right.get(name)) {
            (Some(here), Some(there)) => {
                let sides = ((source, here), (target, there));
                pairs.tables.push(table_pair(name, sides, (depth, digest_on), &mut pairs.findings));
            }
            (Some(here), None) => pairs.findings.push(alone(name, here, target.catalog)),
            (None, Some(_)) => pairs.findings.push(extra(name)),
            (None, None) => {}
        }
    }
    let bytes = |pair: &TablePair| pair.source.bytes().max(pair.target.bytes());
    pairs.tables.sort_by(|a, b| bytes(b).cmp(&bytes(a)).then_with(|| a.name.cmp(&b.name)));
    pairs
}

/// A table that only the target has.
pub(crate) fn extra(name: &RelationName) -> Finding {
    Finding::new(
        Severity::Warning,
        "table_extra",
        "only the target has this table",
        "drop it there, or leave it out with --exclude",
    )
    .about(name)
}

fn alone(name: &RelationName, here: &Group<'_>, target: &Catalog) -> Finding {
    let other = target.relations.iter().find(|relation| relation.name == *name);
    let why = match (here.head.kind, other) {
        (RelationKind::MaterializedView, Some(_)) => {
            "it is populated on the source and not on the target"
        }
        (_, Some(_)) => "what the target has under this name is not a table whose rows can be read",
        (_, None) => "the target has no such table",
    };
    let remedy = "carry it, or leave it out with --exclude";
    Finding::new(Severity::Warning, "table_missing", why, remedy).about(name)
}

/// The relations of one side that hold rows, by the name under which they are compared.
fn groups<'a>(
    catalog: &'a Catalog,
    filter: &Filter,
    findings: &mut Vec<Finding>,
) -> BTreeMap<&'a RelationName, Group<'a>> {
    let mut groups: BTreeMap<&RelationName, Group<'_>> = BTreeMap::new();
    let wanted = catalog
        .relations
        .iter()
        .filter(|relation| filter.wants(catalog, relation) && !relation.belongs_to_extension);
    for relation in wanted {
        let head = relation.root.and_then(|root| catalog.relation(root)).unwrap_or(relation);
        let holds_rows = match relation.kind {
            RelationKind::Table => true,
            RelationKind::MaterializedView => relation.populated,
            RelationKind::Partitioned => !relation.is_partition,
            RelationKind::Foreign => {
                findings.push(
                    Finding::new(
                        Severity::Note,
                        "foreign_table",
                        "its rows lie on another server and are not compared",
                        "compare them there",
                    )
                    .about(&relation.name),
                );
                false
            }
            RelationKind::Sequence => false,
        };
        if !holds_rows {
            continue;
        }
        let group = groups.entry(&head.name).or_insert_with(|| Group { head, heaps: Vec::new() });
        if relation.kind != RelationKind::Partitioned {
            group.heaps.push(relation);
        }
    }
    findings.sort_by(|a, b| a.object.cmp(&b.object));
    findings.dedup();
    groups
}

type OneSide<'k, 'a, 'g> = (&'k Known<'a>, &'g Group<'g>);

fn table_pair(
    name: &RelationName,
    (here, there): (OneSide<'_, '_, '_>, OneSide<'_, '_, '_>),
    (depth, digest_on): (Depth, DigestOn),
    findings: &mut Vec<Finding>,
) -> TablePair {
    let (left, right) = (here.1.head, there.1.head);
    let columns = columns(name, here, there, findings);
    let PairFormat { left: on_left, right: on_right } =
        pair((&here.0.formats, left), (&there.0.formats, right), &columns);
    let (key, key_kind) = [here.0.key(left), there.0.key(right)]
        .into_iter()
        .find_map(|(key, kind)| {
            let places = key.iter().map(|name| columns.iter().position(|one| one == name));
            let places = places.collect::<Option<Vec<usize>>>()?;
            (!places.is_empty()).then_some((places, kind))
        })
        .unwrap_or_default();
    let table = |(_, group): OneSide<'_, '_, '_>, format| SideTable {
        heaps: group.heaps.iter().map(|relation| heap(relation)).collect(),
        format,
        key: key.clone(),
        key_kind,
        digested_by: DigestedBy::Client,
        sample: String::new(),
    };
    let mut pair = TablePair {
        name: name.clone(),
        kind: match (left.kind, right.kind) {
            (RelationKind::MaterializedView, RelationKind::MaterializedView) => {
                PairKind::MaterializedViews
            }
            _ => PairKind::Tables,
        },
        source: table(here, on_left),
        target: table(there, on_right),
        key: key.iter().filter_map(|at| columns.get(*at).cloned()).collect(),
        sampled: false,
    };
    if digest_on == DigestOn::Client && !matches!(depth, Depth::Sample(_)) {
        return pair;
    }
    let images = (
        here.0.formats.server_image(left, &pair.source.format),
        there.0.formats.server_image(right, &pair.target.format),
    );
    match images {
        (Ok(first), Ok(second)) => {
            on_servers(&mut pair, (first, second), (here.0, there.0), (depth, digest_on));
        }
        (Err(why), _) | (_, Err(why)) => {
            let (code, what) = match digest_on {
                DigestOn::Server => ("digested_by_client", "its digests are made by pghaul"),
                DigestOn::Client => ("not_sampled", "all of its rows are compared"),
            };
            let text = format!("{what}: {why}");
            findings.push(Finding::new(Severity::Note, code, text, "nothing to do").about(name));
        }
    }
    pair
}

/// Lets the servers digest, or choose the sample.
fn on_servers(
    pair: &mut TablePair,
    images: (ServerImage, ServerImage),
    (here, there): (&Known<'_>, &Known<'_>),
    (depth, digest_on): (Depth, DigestOn),
) {
    if let Depth::Sample(share) = depth {
        // By MD5, which all servers have and which has nothing to prove here.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share of 2^32, and a float's cast saturates"
        )]
        let below = (share.clamp(0.0, 1.0) * 4_294_967_296.0) as i64;
        for (side, image) in [(&mut pair.source, &images.0), (&mut pair.target, &images.1)] {
            let key = if side.key.is_empty() { image.of_row() } else { image.of(&side.key) };
            side.sample = format!(
                "('x' || pg_catalog.substr(pg_catalog.md5({key}), 1, 8))::bit(32)::int8 < {below}"
            );
        }
        pair.sampled = true;
    }
    if digest_on == DigestOn::Server {
        let new = here.catalog.version.at_least(11) && there.catalog.version.at_least(11);
        let hash = if new { ServerHash::Sha256 } else { ServerHash::Md5 };
        pair.source.digested_by = DigestedBy::Server(images.0, hash);
        pair.target.digested_by = DigestedBy::Server(images.1, hash);
    }
}

fn heap(relation: &Relation) -> Heap {
    Heap {
        name: relation.name.clone(),
        rows: RowsOf::Itself,
        condition: relation
            .extension_config
            .as_ref()
            .map(|(_, condition)| crate::plan::without_where(condition).to_owned())
            .unwrap_or_default(),
        has_ctid: relation.is_heap,
        bytes: relation.table_bytes,
        heap_bytes: relation.heap_bytes,
    }
}

/// The columns that are compared, in the order of the source.
fn columns(
    name: &RelationName,
    here: OneSide<'_, '_, '_>,
    there: OneSide<'_, '_, '_>,
    findings: &mut Vec<Finding>,
) -> Vec<Ident> {
    let mut both = Vec::new();
    let mut computed = Vec::new();
    let mut wrong = Vec::new();
    for column in &here.1.head.columns {
        let twin = there.1.head.columns.iter().find(|other| other.name == column.name);
        let Some(twin) = twin else {
            wrong.push(format!("{} is missing on the target", column.name));
            continue;
        };
        let types = (type_name(here.0, column.type_oid), type_name(there.0, twin.type_oid));
        if types.0 != types.1 {
            wrong.push(format!("{} is {} here and {} there", column.name, types.0, types.1));
        }
        if column.generated && twin.generated {
            computed.push(column.name.to_string());
        } else {
            both.push(column.name.clone());
        }
    }
    for column in &there.1.head.columns {
        if !here.1.head.columns.iter().any(|other| other.name == column.name) {
            wrong.push(format!("{} is extra on the target", column.name));
        }
    }
    if !wrong.is_empty() {
        let text = format!("the columns differ: {}", wrong.join("; "));
        let remedy = "mend the table; rows are compared by the columns that both sides have";
        findings.push(Finding::new(Severity::Warning, "columns_differ", text, remedy).about(name));
    }
    if !computed.is_empty() {
        let text = format!("computed from other columns and not compared: {}", computed.join(", "));
        let remedy = "nothing to do: what they are computed from is compared";
        findings.push(Finding::new(Severity::Note, "generated_columns", text, remedy).about(name));
    }
    both
}

fn type_name(side: &Known<'_>, oid: Oid) -> String {
    match side.catalog.types.get(&oid) {
        // Whether the array type itself belongs to an extension depends on the version.
        Some(found) if found.element != 0 && found.send.as_deref() == Some("array_send") => {
            format!("{}[]", type_name(side, found.element))
        }
        Some(found) if found.schema == "pg_catalog" => found.name.clone(),
        // The schema of an extension's type is a matter of taste.
        Some(found) if found.extension.is_some() => found.name.clone(),
        Some(found) => format!("{}.{}", found.schema, found.name),
        None => oid.to_string(),
    }
}
