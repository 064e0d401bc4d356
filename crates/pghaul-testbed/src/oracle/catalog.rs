//! What the catalogs say on both sides, by name.
//!
//! Invariants: a fact is compared as text under the pinned settings; an object that one side
//! lacks is one difference, not one for each of its facts; facts of the catalogs that came with
//! a later major are compared only where both sides have them.

use std::collections::{BTreeMap, BTreeSet};

use super::differences;
use super::side::Side;
use super::{Options, Report};
use crate::error::Result;

/// Queries that give `object`, `fact`, `value`, and the first major that can run them.
const FACTS: [(u32, &str); 14] = [
    (9, include_str!("facts/relations.sql")),
    (9, include_str!("facts/columns.sql")),
    (9, include_str!("facts/indexes.sql")),
    (9, include_str!("facts/constraints.sql")),
    (9, include_str!("facts/triggers.sql")),
    (13, include_str!("facts/triggers_13.sql")),
    (9, include_str!("facts/owners.sql")),
    (10, include_str!("facts/owners_10.sql")),
    (10, include_str!("facts/partitions_10.sql")),
    (10, include_str!("facts/statistics_10.sql")),
    (9, include_str!("facts/privileges.sql")),
    (9, include_str!("facts/default_privileges.sql")),
    (9, include_str!("facts/large_objects.sql")),
    (9, include_str!("facts/others.sql")),
];

/// Facts of each object.
type Facts = BTreeMap<String, BTreeMap<String, Option<String>>>;

/// One fact that is not the same on both sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact<'a> {
    /// Such as `index a.b`.
    pub(super) object: &'a str,
    /// Such as `valid`.
    pub(super) fact: &'a str,
    /// `None` for NULL.
    pub(super) source: Option<&'a str>,
    /// `None` for NULL.
    pub(super) target: Option<&'a str>,
}

pub(super) async fn compare(
    source: &Side,
    target: &Side,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let (mut here, mut there) = (Facts::new(), Facts::new());
    for (since, sql) in FACTS {
        if since < 10 || source.at_least(since) && target.at_least(since) {
            read(source, sql, options, &mut here).await?;
            read(target, sql, options, &mut there).await?;
        }
    }
    let objects: BTreeSet<_> = here.keys().chain(there.keys()).collect();
    for object in objects {
        match (here.get(object), there.get(object)) {
            (Some(facts), Some(others)) => {
                report.facts += facts.len();
                compare_object((source, target), object, facts, others, report);
            }
            (Some(facts), None) => {
                report.facts += facts.len();
                report_alone(object, "source", &there, report);
            }
            _ => report_alone(object, "target", &here, report),
        }
    }
    Ok(())
}

/// A column goes without saying if its relation is not there either.
fn report_alone(object: &str, side: &str, others: &Facts, report: &mut Report) {
    let goes_without_saying = object.strip_prefix("column ").is_some_and(|column| {
        let ends = column.match_indices('.').map(|(end, _)| column.split_at(end).0);
        !ends.into_iter().any(|relation| {
            others.contains_key(&format!("relation {relation}"))
                || others.contains_key(&format!("index {relation}"))
        })
    });
    if !goes_without_saying {
        report.differences.push(format!("catalog: {object} is on the {side} only"));
    }
}

async fn read(side: &Side, sql: &str, options: &Options, facts: &mut Facts) -> Result<()> {
    for row in side.query(sql, &[&options.ignored_schemas]).await? {
        let (object, fact): (String, String) = (row.get("object"), row.get("fact"));
        let left_out =
            fact == "owner" && !options.owners || fact == "privileges" && !options.privileges;
        if !left_out {
            facts.entry(object).or_default().insert(fact, row.get("value"));
        }
    }
    Ok(())
}

fn compare_object(
    (source, target): (&Side, &Side),
    object: &str,
    facts: &BTreeMap<String, Option<String>>,
    others: &BTreeMap<String, Option<String>>,
    report: &mut Report,
) {
    for (fact, value) in facts {
        let other = others.get(fact).unwrap_or(&None);
        if value == other {
            continue;
        }
        let differing = Fact { object, fact, source: value.as_deref(), target: other.as_deref() };
        match differences::explain_fact((source.version, target.version), &differing) {
            Some(entry) => {
                report.list_entries_used.insert(entry);
            }
            None => {
                let shown = |value: &Option<String>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"))
                };
                report.differences.push(format!(
                    "catalog: {object}: {fact} is {} on the source, {} on the target",
                    shown(value),
                    shown(other)
                ));
            }
        }
    }
}
