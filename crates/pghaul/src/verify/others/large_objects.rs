//! Large objects: which there are, whose they are, what is in them.
//!
//! Invariants: contents are compared by digest, in batches, one by one only in batches that
//! differ; memory is bounded by one chunk of one object on each side.

use std::collections::BTreeMap;

use super::super::prepare::{Company, Moment};
use super::owners_count;
use crate::catalog::Oid;
use crate::connect::Session;
use crate::error::Error;
use crate::event::Counters;
use crate::finding::{Finding, Severity};
use crate::schema::compare::Compared;
use crate::transfer::large_objects::{LargeObject, OBJECTS_A_BATCH, digest, list};

/// Objects named in a finding.
const NAMED: usize = 20;

/// Compares them; gives the number of those on the source.
pub(in crate::verify) async fn compare(company: &Company, moment: &Moment) -> Result<usize, Error> {
    let sessions = futures::try_join!(
        moment.source.reader("large objects"),
        moment.target.reader("large objects")
    )?;
    let (here, there) = futures::try_join!(list(&sessions.0), list(&sessions.1))?;
    let count = here.len();
    let mut others: BTreeMap<Oid, LargeObject> =
        there.into_iter().map(|object| (object.oid, object)).collect();
    let (mut missing, mut attributes, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for object in here {
        match others.remove(&object.oid) {
            None => missing.push(object.oid),
            Some(other) => {
                if !same_attributes(company, &object, &other) {
                    attributes.push(object.oid);
                }
                both.push(object.oid);
            }
        }
    }
    let extra: Vec<Oid> = others.into_keys().collect();
    let mut differ = Vec::new();
    for batch in both.chunks(OBJECTS_A_BATCH) {
        match unequal(&sessions, batch, &company.counters).await {
            Ok(mut found) => differ.append(&mut found),
            Err(error) if error.sqlstate() == Some("42501") => {
                let text = format!("{} of them could not be read: {error:?}", batch.len());
                let remedy = "grant SELECT on the large objects to the role that compares";
                company.find(Finding::new(
                    Severity::Warning,
                    "large_objects_not_compared",
                    text,
                    remedy,
                ));
                // The session is in a transaction that failed.
                return Ok(count);
            }
            Err(error) => return Err(error),
        }
    }
    for (what, oids) in [
        ("missing on the target", missing),
        ("only on the target", extra),
        ("of other content", differ),
        ("of other owner, privileges or comment", attributes),
    ] {
        if !oids.is_empty() {
            let named: Vec<String> = oids.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if oids.len() > NAMED { ", …" } else { "" };
            let text =
                format!("{} large objects are {what}: {}{more}", oids.len(), named.join(", "));
            let remedy = "carry these objects again";
            company.find(Finding::new(Severity::Warning, "large_objects_differ", text, remedy));
        }
    }
    Ok(count)
}

fn same_attributes(company: &Company, one: &LargeObject, other: &LargeObject) -> bool {
    let owners = !owners_count(&company.options) || one.owner == other.owner;
    let privileges = company.options.privileges == Compared::No || sorted(one) == sorted(other);
    owners && privileges && one.comment == other.comment
}

/// The order of grants means nothing.
fn sorted(object: &LargeObject) -> Option<Vec<&(Option<crate::name::Ident>, String, bool)>> {
    let mut grants: Vec<_> = object.grants.as_ref()?.iter().collect();
    grants.sort();
    Some(grants)
}

async fn unequal(
    (source, target): &(Session, Session),
    batch: &[Oid],
    counters: &Counters,
) -> Result<Vec<Oid>, Error> {
    let both = |oids: Vec<Oid>| async move {
        let (here, there) =
            futures::try_join!(digest(source, &oids, counters), digest(target, &oids, counters))?;
        Ok::<bool, Error>(here == there)
    };
    if both(batch.to_vec()).await? {
        return Ok(Vec::new());
    }
    let mut differ = Vec::new();
    for object in batch {
        if !both(vec![*object]).await? {
            differ.push(*object);
        }
    }
    Ok(differ)
}
