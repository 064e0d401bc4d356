//! The plan of a restore: the tables of the archive that are wanted, a part for each piece.

use std::collections::{HashMap, HashSet};

use pghaul_archive::contents::{self, Contents};

use super::Archive;
use crate::archive::{from_name, from_table};
use crate::catalog::{Catalog, Relation, RelationKind};
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;
use crate::plan::filter::Filter;
use crate::plan::{Part, PartId, Plan, TablePlan, read_backs};
use crate::run::options::Scope;
use crate::schema::Entry;

/// Bytes of a page, as a guess: the borders between parts only say how the target is read back.
const BLOCK: u64 = 8192;

/// An archive of the schema holds no rows, and one of rows no schema.
pub(crate) fn refuse_what_is_not_there(asked: Scope, held: contents::Scope) -> Result<(), Error> {
    let (what, flag) = match (held, asked) {
        (contents::Scope::Everything, _)
        | (contents::Scope::SchemaOnly, Scope::SchemaOnly)
        | (contents::Scope::DataOnly, Scope::DataOnly) => return Ok(()),
        (contents::Scope::SchemaOnly, _) => ("the schema", "--schema-only"),
        (contents::Scope::DataOnly, _) => ("rows", "--data-only"),
    };
    Err(Error::new(ErrorKind::Usage, format!("the archive holds only {what}"))
        .with_hint(format!("restore it with {flag}, or take another archive")))
}

/// The plan of the rows, and the place of each part's piece in the manifest.
pub(crate) fn rows(
    archive: &Archive,
    catalog: &Catalog,
    filter: &Filter,
    entries: &[Entry],
) -> (Plan, Vec<usize>) {
    let manifest = &archive.manifest;
    let mut plan = tables(&archive.contents, catalog, filter, entries);
    let places: HashMap<u32, usize> =
        plan.tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
    let mut pieces = Vec::new();
    for (at, piece) in manifest.pieces.iter().enumerate() {
        let table = piece.table.and_then(|at| {
            let table = archive.contents.tables.get(usize::try_from(at).ok()?)?;
            places.get(&table.oid)
        });
        let Some(table) = table else { continue };
        plan.parts.push(Part {
            id: PartId(pieces.len()),
            table: *table,
            from: None,
            until: None,
            bytes: piece.length,
        });
        pieces.push(at);
    }
    set_borders(&mut plan);
    let known: HashSet<RelationName> = plan.sequences.drain(..).collect();
    let sequences = manifest.sequences.iter().map(|one| from_name(&one.name));
    plan.sequences = sequences.filter(|name| known.contains(name)).collect();
    (plan, pieces)
}

/// The plan without its parts: all that can be said before the first piece.
pub(super) fn tables(
    contents: &Contents,
    catalog: &Catalog,
    filter: &Filter,
    entries: &[Entry],
) -> Plan {
    let made: HashSet<RelationName> = entries
        .iter()
        .map(|entry| RelationName::new(entry.namespace().unwrap_or_default(), entry.tag.as_str()))
        .collect();
    // What the schema's entries make is what has rows; an archive of rows alone has no entries.
    let by_entries = contents.asked.scope != contents::Scope::DataOnly;
    let wants = |relation: &Relation| {
        if by_entries && relation.extension_config.is_none() {
            made.contains(&relation.name)
        } else {
            filter.wants(catalog, relation)
        }
    };
    let of_kind = |kind: RelationKind| {
        catalog.relations.iter().filter(move |one| one.kind == kind && wants(one))
    };
    let tables = contents.tables.iter();
    let wanted = tables.filter_map(|table| {
        let relation = catalog.relation(table.oid).filter(|relation| wants(relation))?;
        let extension = relation.extension_config.as_ref().map(|(extension, _)| extension.clone());
        Some(TablePlan { is_new: extension.is_none(), extension, ..from_table(table) })
    });
    let tables: Vec<_> = wanted.collect();
    let populated = of_kind(RelationKind::MaterializedView).filter(|view| view.populated);
    Plan {
        read_backs: read_backs(&tables),
        tables,
        parts: Vec::new(),
        refreshes: populated.map(|view| view.name.clone()).collect(),
        sequences: of_kind(RelationKind::Sequence).map(|one| one.name.clone()).collect(),
    }
}

/// Parts of a table lie behind each other, so that their slices make the whole table when it is
/// read back.
fn set_borders(plan: &mut Plan) {
    let mut count: HashMap<usize, usize> = HashMap::new();
    for part in &plan.parts {
        *count.entry(part.table).or_default() += 1;
    }
    let mut seen: HashMap<usize, (usize, u64, u32)> = HashMap::new();
    for part in &mut plan.parts {
        let (number, bytes, border) = seen.entry(part.table).or_default();
        *number += 1;
        *bytes += part.bytes;
        part.from = (*number > 1).then_some(*border);
        *border = u32::try_from(*bytes / BLOCK).unwrap_or(u32::MAX);
        let is_last = count.get(&part.table) == Some(&*number);
        part.until = (!is_last).then_some(*border);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_make_a_whole_table() {
        let mut plan = Plan::default();
        for (table, bytes) in [(0, 30_000), (1, 0), (0, 0), (0, 70_000), (2, 5)] {
            let id = PartId(plan.parts.len());
            plan.parts.push(Part { id, table, from: None, until: None, bytes });
        }
        set_borders(&mut plan);
        let borders = |table| -> Vec<_> {
            plan.parts_of(table).map(|part| (part.from, part.until)).collect()
        };
        assert_eq!(borders(0), [(None, Some(3)), (Some(3), Some(3)), (Some(3), None)]);
        assert_eq!(borders(1), [(None, None)]);
        assert_eq!(borders(2), [(None, None)]);
    }
}
