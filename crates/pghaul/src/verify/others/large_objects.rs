//! Large objects: which there are, whose they are, what is in them.
//!
//! Invariants: contents are compared by digest, in batches, one by one only in batches that
//! differ; memory is bounded by one chunk of one object on each side.

use std::collections::BTreeMap;

use super::super::company::Company;
use super::super::moment::Moment;
use super::super::options::VerifyOptions;
use crate::catalog::Oid;
use crate::connect::Session;
use crate::error::Error;
use crate::event::Counters;
use crate::finding::{Finding, Severity};
use crate::schema::compare::Compared as Counts;
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
    let mut compared = Compared::of(here, there, &company.options);
    for batch in compared.both.chunks(OBJECTS_A_BATCH) {
        match unequal(&sessions, batch, &company.counters).await {
            Ok(mut found) => compared.differ.append(&mut found),
            Err(error) if error.sqlstate() == Some("42501") => {
                company.find(unreadable(batch.len(), &error));
                // The session is in a transaction that failed.
                return Ok(count);
            }
            Err(error) => return Err(error),
        }
    }
    for finding in compared.findings() {
        company.find(finding);
    }
    Ok(count)
}

/// The objects of both sides, as far as their lists tell.
pub(crate) struct Compared {
    missing: Vec<Oid>,
    extra: Vec<Oid>,
    attributes: Vec<Oid>,
    /// Those that both sides have.
    pub(crate) both: Vec<Oid>,
    /// Those of them whose contents were found to differ.
    pub(crate) differ: Vec<Oid>,
}

impl Compared {
    /// Holds the lists of both sides against each other.
    pub(crate) fn of(
        here: Vec<LargeObject>,
        there: Vec<LargeObject>,
        options: &VerifyOptions,
    ) -> Self {
        let mut others: BTreeMap<Oid, LargeObject> =
            there.into_iter().map(|object| (object.oid, object)).collect();
        let (mut missing, mut attributes, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for object in here {
            match others.remove(&object.oid) {
                None => missing.push(object.oid),
                Some(other) => {
                    if !same_attributes(options, &object, &other) {
                        attributes.push(object.oid);
                    }
                    both.push(object.oid);
                }
            }
        }
        let extra = others.into_keys().collect();
        Self { missing, extra, attributes, both, differ: Vec::new() }
    }

    /// What differs.
    pub(crate) fn findings(&self) -> impl Iterator<Item = Finding> {
        [
            ("missing on the target", &self.missing),
            ("only on the target", &self.extra),
            ("of other content", &self.differ),
            ("of other owner, privileges or comment", &self.attributes),
        ]
        .into_iter()
        .filter(|(_, oids)| !oids.is_empty())
        .map(|(what, oids)| {
            let named: Vec<String> = oids.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if oids.len() > NAMED { ", …" } else { "" };
            let text =
                format!("{} large objects are {what}: {}{more}", oids.len(), named.join(", "));
            let remedy = "carry these objects again";
            Finding::new(Severity::Warning, "large_objects_differ", text, remedy)
        })
    }
}

/// Contents that we may not read.
pub(crate) fn unreadable(objects: usize, error: &Error) -> Finding {
    let text = format!("{objects} of them could not be read: {}", error.in_one_line());
    let remedy = "grant SELECT on the large objects to the role that compares";
    Finding::new(Severity::Warning, "large_objects_not_compared", text, remedy)
}

fn same_attributes(options: &VerifyOptions, one: &LargeObject, other: &LargeObject) -> bool {
    let owners = options.owners == Counts::No || one.owner == other.owner;
    let privileges = options.privileges == Counts::No || sorted(one) == sorted(other);
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
