//! Rows that forbid an index: all groups that share a key, found in the heap.
//!
//! Invariants: found by the scan of [`duplicates`](crate::duplicates), never through the index that
//! let them in; all are counted and told to a sink, the first are kept ([`GROUPS`], [`ROWS`]); no key
//! is fetched.

use tokio_util::sync::CancellationToken;

use super::index::{Index, IndexRule};
use super::options::RebuildOptions;
use super::trouble;
use crate::connect::Endpoint;
use crate::duplicates::{DuplicateRow, Found, Keys, Scan, ScanOptions, Sink};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::finding::{Finding, Severity};
use crate::name::Ident;

/// Groups of an index that are kept.
pub const GROUPS: usize = 1000;
/// Rows of a group that are kept.
pub const ROWS: usize = 10;
/// Groups in a finding.
const NAMED: usize = 3;
/// The least that a scan works with.
const LEAST_MEMORY: usize = 1 << 20;

/// Rows that share the key of a unique index, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SharedKeys {
    /// All groups and their rows, counted.
    pub found: Found,
    /// The first [`GROUPS`] groups, the first [`ROWS`] rows of each.
    pub groups: Vec<Vec<DuplicateRow>>,
    /// The columns of the table's primary key, by which rows are named.
    pub primary_key: Vec<Ident>,
}

/// Takes all groups; one index at a time.
pub(super) type Groups = tokio::sync::Mutex<Box<dyn Sink>>;

/// Finds the groups, and gives them to the sink. None when `halt` asked for the end.
pub(super) async fn find(
    database: &Endpoint,
    index: &Index,
    (options, sink): (&RebuildOptions, &Groups),
    halt: &CancellationToken,
) -> Result<Option<SharedKeys>, Error> {
    let scanned = ScanOptions {
        indexes: vec![index.name.quoted()],
        memory: (options.memory / options.jobs.get()).max(LEAST_MEMORY),
        spill_dir: options.spill_dir.clone(),
        keys: Keys::Hidden,
        ..ScanOptions::default()
    };
    let mut scan = tokio::select! {
        () = halt.cancelled() => return Ok(None),
        scan = Scan::start(database, scanned) => scan?,
    };
    let cancel = scan.cancel_token();
    tokio::select! {
        () = halt.cancelled() => {
            // The session ends anyway; this frees the server from what it is at.
            let _ = cancel.cancel().await;
            Ok(None)
        }
        shared = groups(&mut scan, sink) => shared.map(Some),
    }
}

async fn groups(scan: &mut Scan, sink: &Groups) -> Result<SharedKeys, Error> {
    if scan.indexes().is_empty() {
        return Err(Error::new(ErrorKind::Transfer, "the scan does not cover the index"));
    }
    let mut groups = scan.read(0, &Counters::default()).await?;
    let unique = groups.index();
    let primary_key = unique.definition.primary_key.clone();
    let mut kept = Vec::new();
    // Held until all groups of this index are told, so that they stand together.
    let mut sink = sink.lock().await;
    while let Some(mut group) = groups.next_group().await? {
        let mut shown = (kept.len() < GROUPS).then(Vec::new);
        sink.group(unique)?;
        let told = async {
            while let Some(row) = group.next_member().await? {
                sink.row(unique, &row)?;
                if let Some(shown) = shown.as_mut().filter(|shown| shown.len() < ROWS) {
                    shown.push(row);
                }
            }
            Ok(())
        }
        .await;
        // What was begun is ended, whatever happened.
        sink.end_of_group()?;
        told?;
        kept.extend(shown);
    }
    Ok(SharedKeys { found: groups.found(), groups: kept, primary_key })
}

/// What the rows do that stopped a build.
pub(super) fn finding(
    index: &Index,
    stopped: &Error,
    shared: Result<&SharedKeys, &Error>,
) -> Finding {
    let table = &index.table;
    let (code, message, remedy) = match (index.rule, shared) {
        (IndexRule::Unique, Ok(shared)) if shared.found.groups == 0 => (
            "duplicates",
            format!(
                "it could not be built ({}), but no rows of `{table}` share a key any more",
                trouble::chain(stopped)
            ),
            "run `pghaul rebuild` again; the index stays as it was".to_owned(),
        ),
        (IndexRule::Unique, Ok(shared)) => (
            "duplicates",
            format!(
                "it could not be built: groups of rows in `{table}` that share its key: {}; rows \
                 too many: {}: {}",
                shared.found.groups,
                shared.found.extra_rows(),
                named(shared)
            ),
            format!(
                "mend the groups (`--out` names all; `pghaul duplicates scan --index '{}' \
                 --show-keys` shows their keys too), then run `pghaul rebuild` again; the index \
                 stays as it was",
                index.name
            ),
        ),
        (IndexRule::Unique, Err(why)) => (
            "duplicates",
            format!(
                "{}; which rows share a key could not be found out: {}",
                trouble::chain(stopped),
                trouble::chain(why)
            ),
            format!(
                "look for them with `pghaul duplicates scan --index '{}'`; the index stays as it was",
                index.name
            ),
        ),
        (IndexRule::Exclusion | IndexRule::Plain, _) => (
            "conflicting_rows",
            trouble::chain(stopped),
            "find the rows that exclude each other by a self-join, mend them, then run `pghaul \
             rebuild` again; the index stays as it was"
                .to_owned(),
        ),
    };
    Finding::new(Severity::Warning, code, message, remedy).about(&index.name)
}

/// The first groups by the places of their rows.
fn named(shared: &SharedKeys) -> String {
    let mut groups: Vec<String> = shared
        .groups
        .iter()
        .take(NAMED)
        .map(|rows| {
            let rows: Vec<String> = rows.iter().map(|row| row.tid.to_string()).collect();
            rows.join(" = ")
        })
        .collect();
    if shared.found.groups > NAMED as u64 {
        groups.push("…".to_owned());
    }
    groups.join("; ")
}
