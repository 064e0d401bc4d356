//! Counts and sums of the rows, sequences' positions, large objects.
//!
//! Invariants: a row's image lists its columns by name, since children of inheritance may get
//! another order; a partitioned table's sums are those of its local leaves, so that foreign
//! partitions are never read; what cannot be compared is named.

mod digests;
mod others;
mod relations;

use std::collections::BTreeMap;

use super::image::Types;
use super::side::Side;
use super::{Options, Report};
use crate::error::{Error, Result};
use digests::{Images, Sums};
use relations::{Relation, Relations};

/// Compares; gives what was left out or is missing.
pub(super) async fn compare(
    source: &Side,
    target: &Side,
    options: &Options,
    report: &mut Report,
) -> Result<Vec<String>> {
    let source_types = Types::of(source).await?;
    let target_types = Types::of(target).await?;
    let wanted = Relations::of(source, &source_types, &options.ignored_schemas).await?;
    let found = Relations::of(target, &target_types, &options.ignored_schemas).await?;
    check_excluded(&wanted, options)?;
    let here = Here { side: source, types: &source_types, relations: &wanted };
    let there = Here { side: target, types: &target_types, relations: &found };

    let mut left_out = Vec::new();
    others::compare_large_objects(source, target, report, &mut left_out).await?;
    source.forbid_index_scans(true).await?;
    target.forbid_index_scans(true).await?;
    let mut comparison = Comparison { here, there, report, left_out, trees: BTreeMap::new() };
    for relation in wanted.by_name.values() {
        if options.excluded.contains(&format!("{}.{}", relation.schema, relation.name)) {
            comparison.report.not_compared.push(relation.shown());
        } else {
            comparison.relation(relation).await?;
        }
    }
    comparison.trees();
    comparison.only_there();
    left_out = comparison.left_out;
    source.forbid_index_scans(false).await?;
    target.forbid_index_scans(false).await?;

    if left_out.is_empty() {
        count_again(source, options, report).await?;
    }
    others::compare_sequences((source, &wanted), (target, &found), report).await?;
    Ok(left_out)
}

/// One side with what is known of it.
#[derive(Clone, Copy)]
struct Here<'a> {
    side: &'a Side,
    types: &'a Types,
    relations: &'a Relations,
}

struct Comparison<'a> {
    here: Here<'a>,
    there: Here<'a>,
    report: &'a mut Report,
    left_out: Vec<String>,
    /// The sums of both sides for each partitioned table.
    trees: BTreeMap<u32, (Sums, Sums)>,
}

impl Comparison<'_> {
    async fn relation(&mut self, relation: &Relation) -> Result<()> {
        let shown = relation.shown();
        let name = (relation.schema.clone(), relation.name.clone());
        let Some(twin) = self.there.relations.by_name.get(&name) else {
            self.left_out.push(format!("{shown} is missing on the target"));
            return Ok(());
        };
        if twin.kind != relation.kind {
            self.left_out.push(format!("{shown} is of another kind on the target"));
            return Ok(());
        }
        if !relation.has_rows() {
            if relation.kind != 'S' {
                self.report.not_compared.push(shown);
            }
            return Ok(());
        }
        if !twin.has_rows() {
            self.left_out.push(format!("{shown} is not populated on the target"));
            return Ok(());
        }
        let missing = relation.columns_missing_in(twin);
        if !missing.is_empty() {
            let missing = missing.join(", ");
            self.left_out.push(format!("{shown} lacks columns on the target: {missing}"));
            return Ok(());
        }
        let more = twin.columns_missing_in(relation);
        if !more.is_empty() {
            let more = more.join(", ");
            let difference = format!("{shown} has columns on the target only: {more}");
            self.report.differences.push(difference);
        }
        self.report.tables += 1;
        self.report.columns += relation.columns.len();
        if relation.kind == 'p' {
            self.trees.entry(relation.oid).or_default();
            return Ok(());
        }
        self.rows(relation, twin).await
    }

    async fn rows(&mut self, relation: &Relation, twin: &Relation) -> Result<()> {
        let (here, there) = (self.here, self.there);
        let images = Images::of(here.types, relation, twin, Some(self.report))?;
        let twin_images = Images::of(there.types, twin, relation, None)?;
        let sums = images.sums(here.side, relation).await?;
        let twin_sums = twin_images.sums(there.side, twin).await?;
        self.report.rows += u64::try_from(sums.count).unwrap_or_default();
        for parent in here.relations.above(relation) {
            let tree = self.trees.entry(parent.oid).or_default();
            tree.0.add(&sums);
            tree.1.add(&twin_sums);
        }
        if sums == twin_sums || here.relations.may_lie_elsewhere(relation) {
            return Ok(());
        }
        let shown = relation.shown();
        self.report.differences.push(if sums.count == twin_sums.count {
            let columns =
                images.differing(&twin_images, (here.side, relation), (there.side, twin)).await?;
            match columns.as_slice() {
                [] => format!(
                    "{shown} has other rows on the target: each column has the same values, but \
                     in other rows"
                ),
                columns => {
                    format!("{shown} has other values on the target: {}", columns.join(", "))
                }
            }
        } else {
            let (count, twin_count) = (sums.count, twin_sums.count);
            format!("{shown} has {count} rows on the source, {twin_count} on the target")
        });
        Ok(())
    }

    /// Each tree as a whole, but for those below one whose rows may lie anywhere.
    fn trees(&mut self) {
        let relations = self.here.relations;
        for (oid, (sums, twins)) in &self.trees {
            let tree = relations.get(*oid).filter(|tree| !relations.may_lie_elsewhere(tree));
            if let Some(tree) = tree.filter(|_| sums != twins) {
                self.report.differences.push(format!(
                    "the partition tree {} has other rows on the target ({} on the source, {} on \
                     the target)",
                    tree.shown(),
                    sums.count,
                    twins.count
                ));
            }
        }
    }

    fn only_there(&mut self) {
        for (name, twin) in &self.there.relations.by_name {
            if !self.here.relations.by_name.contains_key(name) {
                self.report.differences.push(format!("{} is on the target only", twin.shown()));
            }
        }
    }
}

fn check_excluded(wanted: &Relations, options: &Options) -> Result<()> {
    let is_there = |excluded: &str| {
        wanted.by_name.keys().any(|(schema, name)| format!("{schema}.{name}") == excluded)
    };
    match options.excluded.iter().find(|excluded| !is_there(excluded)) {
        Some(excluded) => {
            Err(Error::new(format!("the source has no table {excluded} to leave out")))
        }
        None => Ok(()),
    }
}

/// Counts tables and columns of the source by a query of its own, so that none is forgotten by a
/// mistake made above.
async fn count_again(source: &Side, options: &Options, report: &Report) -> Result<()> {
    let excluded: Vec<_> = options.excluded.iter().cloned().collect();
    let rows = source
        .query(include_str!("rows/count.sql"), &[&options.ignored_schemas, &excluded])
        .await?;
    let counted = rows.first().map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1)));
    let compared = (i64::try_from(report.tables).ok(), i64::try_from(report.columns).ok());
    match (counted, compared) {
        (Some((tables, columns)), (Some(compared), Some(of)))
            if (tables, columns) == (compared, of) =>
        {
            Ok(())
        }
        _ => Err(Error::new(format!(
            "the oracle left something out: of {counted:?} tables and columns of the source it \
             compared {compared:?}"
        ))),
    }
}
