//! What a run had done before this process goes on with it: for whoever shows progress.

use std::collections::BTreeSet;

use super::options::Start;
use super::prepare::PreparedClone;
use crate::name::RelationName;
use crate::plan::filter::matching;
use crate::schema::Step;

/// One table as an earlier process left it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableBefore {
    /// The table on the source.
    pub name: RelationName,
    /// Rows of its committed pieces.
    pub rows: u64,
    /// Bytes of its committed pieces, as they went to the target.
    pub bytes: u64,
    /// Whether all of its parts are committed.
    pub copied: bool,
}

impl PreparedClone {
    /// The tables of which something is in the target already; none for a new run, and none of
    /// those that begin again.
    pub fn tables_before(&self) -> Vec<TableBefore> {
        let Some(stored) = &self.stored else { return Vec::new() };
        let names = self.plan.tables.iter().map(|table| &table.name);
        let again = match &self.options.start {
            Start::ResumeRestarting(patterns) => matching(patterns, names).unwrap_or_default(),
            Start::New | Start::Resume | Start::Restart | Start::Join => BTreeSet::new(),
        };
        let receipts = &stored.receipts;
        self.plan
            .tables
            .iter()
            .enumerate()
            .filter(|(at, _)| !again.contains(at))
            .map(|(at, table)| TableBefore {
                name: table.name.clone(),
                rows: self.plan.parts_of(at).map(|part| receipts.digest(part.id).rows).sum(),
                bytes: self.plan.parts_of(at).map(|part| receipts.bytes(part.id)).sum(),
                copied: self.plan.parts_of(at).all(|part| receipts.is_done(part.id)),
            })
            .filter(|table| table.rows > 0 || table.copied)
            .collect()
    }

    /// The tables of the target that were read back already and are equal.
    pub fn verified_before(&self) -> impl Iterator<Item = &RelationName> {
        let done = self.stored.iter().flat_map(|stored| stored.steps.keys());
        let done: BTreeSet<&str> = done.map(String::as_str).collect();
        self.plan
            .read_backs
            .iter()
            .map(|read_back| &read_back.name)
            .filter(move |name| done.contains(format!("read back {}", name.quoted()).as_str()))
    }

    /// The steps of the schema that are done already.
    pub fn steps_before(&self) -> impl Iterator<Item = &Step> {
        let stored = self.stored.as_ref();
        self.schema
            .steps
            .iter()
            .filter(move |step| {
                stored.is_some_and(|stored| stored.steps.contains_key(&step.step.key))
            })
            .map(|step| &step.step)
    }
}
