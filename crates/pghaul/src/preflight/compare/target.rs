//! What the target holds already: a run's state, objects of the names that will be made, large
//! objects.
//!
//! From the source's catalogs, as far as they tell what a schema dump would make; a clone looks
//! again once it has the dump.

use std::collections::BTreeMap;

use super::rows;
use crate::catalog::{Catalog, RelationKind, Sizes};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::name::{Ident, RelationName};
use crate::preflight::rows_only::{self, Destination};
use crate::preflight::{Carry, Intent, rules};
use crate::schema::objects::{Object, existing};
use crate::state::{self, Presence};

/// Whether there is room for a copy at all: beside a run that is there, nothing else is looked
/// for.
pub(super) async fn state(target: &Session, findings: &mut Vec<Finding>) -> Result<bool, Error> {
    match state::found(target).await? {
        (Presence::Absent, _) => Ok(true),
        (Presence::Foreign, Some(owner)) => {
            let what = format!("a run of role `{owner}` is in the target already");
            findings.push(rules::RUN_PRESENT.found(what));
            Ok(false)
        }
        (Presence::Foreign, None) => {
            findings.push(
                rules::STATE_TAKEN
                    .found("it is on the target already and is not a run's state")
                    .about("pghaul"),
            );
            Ok(true)
        }
        (Presence::Ours, _) => {
            findings.push(rules::RUN_PRESENT.found("a run is in the target already"));
            Ok(false)
        }
    }
}

/// Objects that are in the way of those that will be made.
pub(super) async fn objects(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../objects_made.sql");
    let made = rows(source, "list the objects of the source", sql).await?;
    let wanted: Vec<Object> = made
        .iter()
        .filter(|row| match row.text(0) {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" | "SEQUENCE" => {
                (intent.wanted)(&RelationName::new(row.text(1), row.text(2)))
            }
            _ => intent.others == Carry::Along,
        })
        .map(|row| Object {
            kind: row.text(0).to_owned(),
            namespace: Some(row.text(1).to_owned()).filter(|schema| !schema.is_empty()),
            tag: row.text(2).to_owned(),
        })
        .collect();
    findings.extend(existing(target, &wanted).await?.iter().map(object_in_the_way));
    if intent.large_objects == Carry::Along {
        let there = "select oid from pg_catalog.pg_largeobject_metadata order by oid limit 10000";
        let there = rows(target, "list the target's large objects", there).await?;
        let oids: Vec<u32> = there.iter().filter_map(|row| row.text(0).parse().ok()).collect();
        findings.extend(large_objects_in_the_way(source, &oids).await?);
    }
    Ok(())
}

/// Tables that rows are to go into.
pub(super) async fn tables(
    source: &Session,
    target: &Session,
    intent: &Intent<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let catalog = Catalog::read_with(source, &Sizes::Of(Vec::new())).await?;
    let mut wanted: BTreeMap<&RelationName, (Vec<Ident>, &str)> = BTreeMap::new();
    for relation in &catalog.relations {
        if relation.kind != RelationKind::Table
            || relation.belongs_to_extension
            || !(intent.wanted)(&relation.name)
        {
            continue;
        }
        let through = relation
            .root
            .filter(|root| catalog.unstable_roots.contains(root))
            .and_then(|root| catalog.relation(root))
            .unwrap_or(relation);
        let columns = through.columns.iter().filter(|column| !column.generated);
        let condition = relation.extension_config.as_ref().map_or("", |(_, condition)| condition);
        let columns = columns.map(|column| column.name.clone()).collect();
        wanted.insert(&through.name, (columns, crate::plan::without_where(condition)));
    }
    let destinations: Vec<Destination<'_>> = wanted
        .into_iter()
        .map(|(name, (columns, condition))| Destination { name, columns, condition })
        .collect();
    findings.extend(rows_only::terms(target, &destinations).await?.findings);
    Ok(())
}

/// One object that is there already.
pub(crate) fn object_in_the_way(object: &Object) -> Finding {
    let name = match &object.namespace {
        Some(namespace) => format!("{namespace}.{}", object.tag),
        None => object.tag.clone(),
    };
    let message = format!("the target is not empty: it has this {} already", object.kind);
    rules::TARGET_NOT_EMPTY.found(message).about(name)
}

/// Those of the large objects that `side` has.
///
/// # Errors
/// What the server said.
pub(crate) async fn large_objects_in_the_way(
    side: &Session,
    oids: &[u32],
) -> Result<Vec<Finding>, Error> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let found = side
        .query(
            "look for large objects that are there already",
            "select oid from pg_catalog.pg_largeobject_metadata where oid = any ($1)",
            &[&oids],
        )
        .await?;
    let in_the_way = |oid: u32| {
        let message = "the target is not empty: it has this large object already";
        rules::TARGET_NOT_EMPTY.found(message).about(format!("large object {oid}"))
    };
    Ok(found.iter().map(|row| in_the_way(row.get(0))).collect())
}
