//! Duplicates: every group that the heap holds, and no other.

mod damage;
mod kinds;
mod property;
mod servers;
mod together;

use std::collections::{BTreeMap, BTreeSet};

use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::{Scan, ScanOptions};
use pghaul::event::Counters;

/// Rows by relation and ctid.
pub(crate) type Rows = BTreeSet<(String, String)>;

/// Groups by index.
pub(crate) type Groups = BTreeMap<String, BTreeSet<Rows>>;

/// The one server of the verbs on duplicates.
pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(Side::Database, url).unwrap()
}

/// All groups; an index without any is there with none.
pub(crate) async fn scan(url: &str, options: ScanOptions) -> Result<Groups, Error> {
    let mut scan = Scan::start(&endpoint(url), options).await?;
    let counters = Counters::default();
    let mut all = Groups::new();
    for at in 0..scan.indexes().len() {
        let name = scan.indexes()[at].definition.name.to_string();
        let mut groups = scan.read(at, &counters).await?;
        let mut found = BTreeSet::new();
        while let Some(mut group) = groups.next_group().await? {
            let mut rows = Rows::new();
            while let Some(row) = group.next_member().await? {
                rows.insert((row.relation.to_string(), row.tid.to_string()));
            }
            assert!(rows.len() > 1, "{name}: {rows:?}");
            assert!(found.insert(rows), "{name}: twice the same group");
        }
        let rows: usize = found.iter().map(BTreeSet::len).sum();
        assert_eq!(groups.found().groups, found.len() as u64);
        assert_eq!(groups.found().rows, rows as u64);
        all.insert(name, found);
    }
    Ok(all)
}

/// Options for these indexes.
pub(crate) fn of(indexes: &[&str]) -> ScanOptions {
    ScanOptions {
        indexes: indexes.iter().map(|name| (*name).to_owned()).collect(),
        ..ScanOptions::default()
    }
}
