//! Everything that would stand in the way of a clone, told at once: what `pghaul check` does.
//!
//! Invariant: nothing is written anywhere, and no snapshot is held.

use super::obstacles;
use super::options::CloneOptions;
use crate::catalog::{Catalog, Sizes};
use crate::connect::{Endpoint, Purpose};
use crate::error::Error;
use crate::finding::Finding;
use crate::plan::filter::Filter;
use crate::version::ServerVersion;

/// What was looked at, and what was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Checked {
    /// The version of the source.
    pub source: ServerVersion,
    /// The version of the target, if one was given.
    pub target: Option<ServerVersion>,
    /// The gravest first, then by code and object.
    pub findings: Vec<Finding>,
}

/// Looks for everything that would stand in the way of a clone with these options, with remedies:
/// in both databases and on this machine. Without a target, the newest version is taken for it.
///
/// # Errors
/// [`ErrorKind::Connect`](crate::ErrorKind::Connect) for a server that cannot be reached;
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a pattern that matches nothing, or when both
/// are the same database. What is wrong with the databases is a finding and no error.
pub async fn check(
    source: &Endpoint,
    target: Option<&Endpoint>,
    options: &CloneOptions,
) -> Result<Checked, Error> {
    let on_source = source.connect(Purpose::Catalog, "check").await?;
    let on_target = match target {
        Some(target) => Some(target.connect(Purpose::Catalog, "check").await?),
        None => None,
    };
    let catalog = Catalog::read_with(&on_source, &Sizes::Of(Vec::new())).await?;
    let filter = Filter::new(&catalog, &options.include, &options.exclude)?;
    let wanted = filter.by_name(Some(&catalog));
    let findings = obstacles::look((&on_source, on_target.as_ref()), options, &wanted).await?;
    Ok(Checked {
        source: on_source.version(),
        target: on_target.as_ref().map(|session| session.version()),
        findings,
    })
}
