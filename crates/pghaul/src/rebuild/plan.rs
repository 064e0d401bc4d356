//! Which indexes are rebuilt, by which way, in which order.
//!
//! | | 9.6 to 11 | 12 and newer |
//! |---|---|---|
//! | plain and unique indexes, keys | a twin is built concurrently and takes the index's place in one short transaction | `REINDEX INDEX CONCURRENTLY` |
//! | keys that foreign keys, views or extensions hold on to | `REINDEX INDEX` | `REINDEX INDEX CONCURRENTLY` |
//! | exclusion constraints | `REINDEX INDEX` | `REINDEX INDEX` |
//! | indexes of partitions | `REINDEX INDEX` (11) | `REINDEX INDEX CONCURRENTLY` |
//! | indexes of partitioned tables | those of the partitions, one by one; parts that are missing are built and attached | the same |
//! | indexes of TOAST tables | `REINDEX INDEX` | `REINDEX INDEX CONCURRENTLY` |
//! | with [`Locking::Blocking`] | `REINDEX INDEX` | `REINDEX INDEX` |
//!
//! `REINDEX INDEX` lets others read by other indexes and makes them wait with writes (manual,
//! REINDEX).
//!
//! Invariants: made from the catalog alone, nothing is changed; one table's indexes are one unit,
//! since concurrent builds of one table wait for each other; materialized views come after all
//! tables, in the order in which they read each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::health::{IndexHealth, Reason};
use super::index::{Index, IndexOf, IndexRule};
use super::leftovers::Leftover;
use super::options::{Locking, RebuildOptions, Views};
use crate::catalog::oid;
use crate::connect::Session;
use crate::error::Error;
use crate::name::RelationName;

/// What a rebuild will do.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Dropped first: what interrupted rebuilds left behind.
    pub leftovers: Vec<Leftover>,
    /// Tables with their indexes, the largest first.
    pub tables: Vec<Unit>,
    /// Materialized views with their indexes, those that others read first.
    pub views: Vec<Unit>,
    /// Indexes of partitioned tables that are not valid: they become valid when all their parts are.
    pub parents: Vec<Task>,
}

/// The work on one table or materialized view.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: RelationName,
    /// Its indexes.
    pub tasks: Vec<Task>,
    /// Tables and views that a materialized view reads.
    pub reads: BTreeSet<u32>,
}

/// One index to rebuild.
#[derive(Debug, Clone)]
pub struct Task {
    /// Which.
    pub index: Index,
    /// Why.
    pub reasons: Vec<Reason>,
    /// How.
    pub method: Method,
}

/// How an index is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `REINDEX INDEX CONCURRENTLY`.
    Concurrently,
    /// A twin is built concurrently and takes its place.
    Swap,
    /// `REINDEX INDEX`; writers wait.
    InPlace(WhyInPlace),
    /// `REFRESH MATERIALIZED VIEW` builds it anew; readers wait.
    Refresh,
    /// The indexes of the partitions are rebuilt, those that are missing are built and attached; it
    /// follows them.
    Parts,
}

/// Why an index cannot be rebuilt while others write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyInPlace {
    /// It was asked for.
    Asked,
    /// It is an exclusion constraint's.
    Exclusion,
    /// Before 12: something holds on to it.
    HeldBy(String),
    /// Before 12: it is a part of a partitioned index.
    Partition,
    /// Before 12: it is a TOAST table's.
    Toast,
    /// It is a materialized view's that could not be refreshed.
    NotRefreshed,
}

impl Method {
    /// The statement, or what stands for several.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Concurrently => "reindex concurrently",
            Self::Swap => "new index and swap",
            Self::InPlace(_) => "reindex",
            Self::Refresh => "refresh of the materialized view",
            Self::Parts => "by its partitions",
        }
    }
}

impl Plan {
    /// All indexes that are to be rebuilt.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let units = self.tables.iter().chain(&self.views);
        units.flat_map(|unit| &unit.tasks).chain(&self.parents)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.leftovers.is_empty() && self.tasks().next().is_none()
    }
}

/// Decides how each index is rebuilt.
pub(super) async fn plan(
    session: &Session,
    options: &RebuildOptions,
    chosen: Vec<(IndexHealth, Vec<Reason>)>,
    leftovers: Vec<Leftover>,
) -> Result<Plan, Error> {
    let concurrent = session.version().at_least(12);
    let oids: Vec<u32> = chosen.iter().map(|(one, _)| one.index.oid).collect();
    let bound = if concurrent { HashMap::new() } else { bound(session, &oids).await? };
    let refreshed: BTreeSet<u32> = chosen
        .iter()
        .filter(|(one, reasons)| {
            options.views == Views::Refresh && wants_refresh(&one.index, reasons)
        })
        .map(|(one, _)| one.index.table_oid)
        .collect();
    let mut units: BTreeMap<u32, Unit> = BTreeMap::new();
    let mut parents = Vec::new();
    for (one, reasons) in chosen {
        let index = one.index;
        // A refresh makes a new TOAST table.
        if index.of == IndexOf::Toast && refreshed.contains(&index.table_oid) {
            continue;
        }
        let method = if !index.has_rows() {
            Method::Parts
        } else if refreshed.contains(&index.table_oid) {
            Method::Refresh
        } else if options.locking == Locking::Blocking {
            Method::InPlace(WhyInPlace::Asked)
        } else if index.rule == IndexRule::Exclusion {
            Method::InPlace(WhyInPlace::Exclusion)
        } else if concurrent {
            Method::Concurrently
        } else if index.parent.is_some() {
            Method::InPlace(WhyInPlace::Partition)
        } else if index.of == IndexOf::Toast {
            Method::InPlace(WhyInPlace::Toast)
        } else if let Some(holder) = bound.get(&index.oid) {
            Method::InPlace(WhyInPlace::HeldBy(holder.clone()))
        } else {
            Method::Swap
        };
        if method == Method::Parts {
            if reasons.contains(&Reason::Invalid) {
                parents.push(Task { index, reasons, method });
            }
            continue;
        }
        let unit = units.entry(index.table_oid).or_insert_with(|| Unit {
            oid: index.table_oid,
            name: index.table.clone(),
            tasks: Vec::new(),
            reads: BTreeSet::new(),
        });
        unit.tasks.push(Task { index, reasons, method });
    }
    let (mut views, mut tables): (Vec<Unit>, Vec<Unit>) =
        units.into_values().partition(|unit| unit.tasks.iter().any(|task| is_view(&task.index)));
    tables.sort_by_key(|unit| {
        std::cmp::Reverse(unit.tasks.iter().map(|task| task.index.bytes).sum::<u64>())
    });
    order(session, &mut views).await?;
    bottom_up(&mut parents);
    Ok(Plan { leftovers, tables, views, parents })
}

/// What is below comes first: an index is valid only when all its parts are.
fn bottom_up(parents: &mut [Task]) {
    let above: BTreeMap<u32, Option<u32>> =
        parents.iter().map(|task| (task.index.oid, task.index.parent)).collect();
    let depth = |index: &Index| {
        std::iter::successors(Some(index.oid), |oid| above.get(oid).copied().flatten()).count()
    };
    parents.sort_by_key(|task| std::cmp::Reverse(depth(&task.index)));
}

fn is_view(index: &Index) -> bool {
    matches!(index.of, IndexOf::View | IndexOf::EmptyView)
}

fn wants_refresh(index: &Index, reasons: &[Reason]) -> bool {
    index.of == IndexOf::View
        && index.rule == IndexRule::Unique
        && reasons.iter().any(|reason| matches!(reason, Reason::Exposed | Reason::Damaged))
}

/// Indexes that something holds on to, and what.
pub(super) async fn bound(
    session: &Session,
    indexes: &[u32],
) -> Result<HashMap<u32, String>, Error> {
    let doing = "look for what depends on indexes";
    let rows = session.query(doing, include_str!("bound.sql"), &[&indexes]).await?;
    Ok(rows.iter().map(|row| (oid(row.get(0)), row.get(1))).collect())
}

/// Those that others read first: who reads more views comes later, as reading is transitive.
async fn order(session: &Session, views: &mut [Unit]) -> Result<(), Error> {
    let oids: Vec<u32> = views.iter().map(|view| view.oid).collect();
    let doing = "read what materialized views read";
    for row in session.query(doing, include_str!("view_uses.sql"), &[&oids]).await? {
        let (viewed, read) = (oid(row.get(0)), oid(row.get(1)));
        if let Some(view) = views.iter_mut().find(|view| view.oid == viewed) {
            view.reads.insert(read);
        }
    }
    views.sort_by_key(|view| {
        (oids.iter().filter(|other| view.reads.contains(other)).count(), view.name.clone())
    });
    Ok(())
}
