//! The groups that the scan finds, by the tables that hold the rows.
//!
//! Invariant: counted against the budget, half of which the scan has for itself.

use std::collections::BTreeSet;

use pghaul_rows::Tid;

use super::work::State;
use crate::duplicates::index::IndexDefinition;
use crate::duplicates::moment::Scan;
use crate::duplicates::rules::Others;
use crate::duplicates::tables::{Tables, Unique};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::finding::{Finding, Severity};

/// How many groups are taken until memory is looked at again.
const CHECKED_EVERY: u64 = 1000;

/// Rows that share a key, by the place of their table in [`Tables::list`].
pub(super) struct Finds {
    states: Vec<State>,
    memory: u64,
}

impl Finds {
    /// None yet; `memory` is what they may need.
    pub(super) fn new(tables: &Tables, memory: u64) -> Self {
        Self { states: tables.list.iter().map(|_| State::default()).collect(), memory }
    }

    /// All of them.
    pub(super) fn into_states(mut self) -> Vec<State> {
        for groups in self.states.iter_mut().flat_map(|state| state.clears.values_mut()) {
            // Their order must not depend on how they were found.
            groups.sort_unstable();
        }
        self.states
    }

    fn check_memory(&self) -> Result<(), Error> {
        if self.states.iter().map(State::bytes).sum::<u64>() <= self.memory {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Preflight, "there are more duplicates than the memory holds")
            .with_hint("raise --memory, or plan and repair some tables at a time with --table"))
    }

    fn add(&mut self, tables: &Tables, (table, unique): (usize, usize), mut rows: Vec<Tid>) {
        let state = &mut self.states[table];
        if tables.list[table].uniques[unique].others == Others::Clear {
            rows.sort_unstable();
            state.clears.entry(unique).or_default().push(rows);
        } else {
            state.found.add_found(&rows, unique);
        }
    }

    /// Takes the groups of one index of the scan.
    pub(super) async fn collect(
        &mut self,
        scan: &mut Scan,
        at: usize,
        tables: &Tables,
        findings: &mut Vec<Finding>,
        counters: &Counters,
    ) -> Result<(), Error> {
        let definition = scan.indexes()[at].definition.clone();
        let Some(table) = tables.place(&definition.table) else { return Ok(()) };
        let by_name = |unique: &Unique| unique.name == definition.name;
        let Some(unique) = tables.list[table].uniques.iter().position(by_name) else {
            return Ok(());
        };
        let mut groups = scan.read(at, counters).await?;
        let (mut taken, mut across) = (0_u64, 0_u64);
        while let Some(mut group) = groups.next_group().await? {
            let mut rows = Vec::new();
            let mut relations = BTreeSet::new();
            while let Some(row) = group.next_member().await? {
                relations.insert(tables.place(&row.relation).unwrap_or(table));
                rows.push(row.tid);
            }
            let mut holders = relations.into_iter();
            // A leaf of a partition tree is a table like all others, and so is its index.
            match (holders.next(), holders.next()) {
                (Some(holder), None) if tables.counterpart(table, unique, holder).is_some() => {
                    let unique = tables.counterpart(table, unique, holder).unwrap_or(unique);
                    self.add(tables, (holder, unique), rows);
                }
                _ => across += 1,
            }
            taken += 1;
            if taken.is_multiple_of(CHECKED_EVERY) {
                self.check_memory()?;
            }
        }
        if across > 0 {
            findings.push(across_partitions(&definition, across));
        }
        self.check_memory()
    }
}

/// Rows of several leaves share a key: which leaf each belongs to is the question then.
fn across_partitions(definition: &IndexDefinition, groups: u64) -> Finding {
    Finding::new(
        Severity::Warning,
        "duplicates_across_partitions",
        format!(
            "{groups} groups of rows that share a key of {} lie in several partitions, and are left alone",
            definition.name
        ),
        "find out which partition they belong to (`pghaul duplicates scan` names them), and delete \
         or move the others by hand",
    )
    .about(&definition.table)
}
