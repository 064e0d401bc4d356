//! What is no row: where sequences stand, and large objects.

use std::collections::BTreeMap;

use super::super::Report;
use super::super::image;
use super::super::side::Side;
use super::relations::{Relation, Relations};
use crate::error::Result;

pub(super) async fn compare_sequences(
    (source, wanted): (&Side, &Relations),
    (target, found): (&Side, &Relations),
    report: &mut Report,
) -> Result<()> {
    let is_twin = |name| found.by_name.get(name).is_some_and(|twin| twin.kind == 'S');
    let both: Vec<_> = wanted
        .by_name
        .iter()
        .filter(|(name, relation)| relation.kind == 'S' && is_twin(*name))
        .map(|(_, relation)| relation)
        .collect();
    report.sequences = both.len();
    for some in both.chunks(200) {
        let (here, there) = (positions(source, some).await?, positions(target, some).await?);
        for (name, position) in &here {
            let other = there.get(name);
            if other != Some(position) {
                let other = other.map_or("nowhere", String::as_str);
                report.differences.push(format!(
                    "the sequence {name} stands at {position} on the source, {other} on the target"
                ));
            }
        }
    }
    Ok(())
}

async fn positions(side: &Side, sequences: &[&Relation]) -> Result<BTreeMap<String, String>> {
    let selects: Vec<_> = sequences
        .iter()
        .map(|sequence| {
            format!(
                "select {}::text as name, last_value || case when is_called then ' (called)' else \
                 ' (not called)' end as position from {}",
                image::literal(&sequence.shown()),
                sequence.quoted()
            )
        })
        .collect();
    let rows = side.query(&selects.join(" union all "), &[]).await?;
    Ok(rows.iter().map(|row| (row.get("name"), row.get("position"))).collect())
}

pub(super) async fn compare_large_objects(
    source: &Side,
    target: &Side,
    report: &mut Report,
    left_out: &mut Vec<String>,
) -> Result<()> {
    let (here, there) = (contents(source).await?, contents(target).await?);
    report.large_objects = here.len();
    for (oid, content) in &here {
        match there.get(oid) {
            None => left_out.push(format!("large object {oid} is missing on the target")),
            Some(other) if other.0 != content.0 => report.differences.push(format!(
                "large object {oid} has {} bytes on the source, {} on the target",
                content.0, other.0
            )),
            Some(other) if other != content => {
                let difference = format!("large object {oid} has another content on the target");
                report.differences.push(difference);
            }
            Some(_) => {}
        }
    }
    for oid in there.keys().filter(|oid| !here.contains_key(oid)) {
        report.differences.push(format!("large object {oid} is on the target only"));
    }
    Ok(())
}

/// Length and digest of each.
async fn contents(side: &Side) -> Result<BTreeMap<u32, (i64, String)>> {
    let rows = side.query(include_str!("large_objects.sql"), &[]).await?;
    Ok(rows.iter().map(|row| (row.get("oid"), (row.get("length"), row.get("digest")))).collect())
}
