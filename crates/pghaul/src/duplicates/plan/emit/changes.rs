//! Rows that refer to rows that go, and what they will refer to.
//!
//! Invariant: a row stands in one line at most, in the order of ctids.

use std::collections::BTreeMap;

use pghaul_rows::Tid;

use super::Emit;
use super::numbers::Numbers;
use super::roles::{Role, Roles};
use crate::duplicates::plan::file::{ChangeLine, Line, RowLine, Values};
use crate::duplicates::plan::mapped::{ArrayChange, Touched, key_in, values_of};
use crate::duplicates::plan::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::rules::{ReferenceKind, Removed};
use crate::duplicates::tables::Unique;
use crate::error::Error;

impl Work<'_> {
    pub(super) async fn write_changes(
        &self,
        emit: &mut Emit<'_>,
        table: usize,
        touched: &[Tid],
        roles: &Roles,
    ) -> Result<(), Error> {
        let roles = roles.of(|tid| touched.binary_search(&tid).is_ok())?;
        let facts = &self.tables.list[table];
        let active = self.active(table);
        let mut columns: Vec<&str> = Vec::new();
        for reference in active.iter().filter(|r| r.kind == ReferenceKind::Key) {
            columns.extend(reference.columns.iter().map(String::as_str));
            if reference.is_to_itself() {
                columns.extend(reference.parent_columns.iter().map(String::as_str));
            }
            columns.extend(reference.type_.as_ref().map(|type_| type_.column.as_str()));
        }
        let key = self.single_key(table);
        columns.extend(key.as_deref());
        columns.extend(self.states[table].maps.keys().flatten().map(String::as_str));
        columns.sort_unstable();
        columns.dedup();
        let arrays = self.overrides(table, Touched::Losers, |_| true).await?;
        for chunk in touched.chunks(ROWS_AT_ONCE) {
            let values: BTreeMap<Tid, Vec<Option<String>>> = if columns.is_empty() {
                chunk.iter().map(|tid| (*tid, Vec::new())).collect()
            } else {
                self.values(table, chunk, &columns).await?.into_iter().collect()
            };
            let digests =
                self.digests.read(self.session, &facts.name, chunk.iter().copied()).await?;
            for (tid, row) in &values {
                let (mut set, mut groups) = self.new_values(table, &columns, row, &emit.numbers);
                for (column, changes) in &arrays {
                    if let Some(ArrayChange { new, groups: by }) = changes.get(&tid.to_string()) {
                        set.insert(column.clone(), new.clone());
                        groups.extend(by.iter().filter_map(|group| emit.numbers.get(*group)));
                    }
                }
                let first = groups.iter().any(|group| emit.first.contains(group));
                let role = roles.binary_search_by_key(tid, |role| role.0).ok();
                let role = role.map(|at| roles[at].1);
                groups.extend(role.map(|(number, _)| number));
                groups.sort_unstable();
                groups.dedup();
                emit.links.link(&groups);
                self.stand_for(table, (&columns, row), groups.first().copied(), &mut emit.numbers);
                match role {
                    Some((_, Role::GoesFirst)) => continue,
                    Some((_, Role::GoesLast)) => set.retain(|column, _| {
                        let in_key =
                            |unique: &Unique| !unique.by_rule && unique.reads.contains(column);
                        !facts.uniques.iter().any(in_key)
                    }),
                    // What it takes in from the others says it already.
                    Some((_, Role::Stays)) => {
                        set.retain(|column, _| !facts.rule.merge.contains_key(column));
                    }
                    _ => {}
                }
                let (Some(digest), false) = (digests.get(tid), set.is_empty()) else { continue };
                let own = key
                    .as_ref()
                    .and_then(|key| row[columns.iter().position(|column| column == key)?].clone());
                emit.counts.changed += 1;
                emit.writer.line(&Line::Change(ChangeLine {
                    change: facts.name.to_string(),
                    row: RowLine { ctid: tid.to_string(), digest: digest.to_string(), key: own },
                    set,
                    groups,
                    first,
                }))?;
            }
        }
        Ok(())
    }

    /// What refers to a row that gets another key, since what it refers to itself changes, changes for
    /// the same groups as that row does.
    fn stand_for(
        &self,
        table: usize,
        (columns, row): (&[&str], &[Option<String>]),
        group: Option<u32>,
        numbers: &mut Numbers,
    ) {
        let state = &self.states[table];
        let value =
            |column: &str| row[columns.iter().position(|other| *other == column)?].as_deref();
        for (key, mapping) in &state.maps {
            let mapped = key_in(key, value).and_then(|old| mapping.get(&old));
            if let (Some(mapped), Some(group)) = (mapped, group)
                && mapped.group >= state.first_moved()
            {
                numbers.set((table, mapped.group), group);
            }
        }
    }

    /// New values of the columns of one row that refer to others, and for which groups.
    fn new_values(
        &self,
        table: usize,
        columns: &[&str],
        row: &[Option<String>],
        numbers: &Numbers,
    ) -> (Values, Vec<u32>) {
        let value =
            |column: &str| row[columns.iter().position(|other| *other == column)?].as_deref();
        let (mut set, mut groups) = (Values::new(), Vec::new());
        for reference in self.active(table) {
            if reference.kind == ReferenceKind::Array {
                continue;
            }
            if let Some(type_) = &reference.type_
                && value(&type_.column) != Some(type_.value.as_str())
            {
                continue;
            }
            let mapped = key_in(&reference.columns, value)
                .and_then(|old| self.mapping(reference)?.get(&old));
            let Some(mapped) = mapped else { continue };
            let is_itself = reference.is_to_itself()
                && reference.removed == Removed::Clear
                && key_in(&reference.parent_columns, value) == mapped.new;
            let new = mapped.new.as_deref().filter(|_| !is_itself);
            let parts = new.map_or_else(Vec::new, |new| values_of(new, reference.columns.len()));
            for (at, column) in reference.columns.iter().enumerate() {
                let part = parts.get(at).map(ToString::to_string);
                if part.as_deref() != value(column) {
                    set.insert(column.clone(), part);
                }
            }
            groups.extend(numbers.get((reference.parent, mapped.group)));
        }
        (set, groups)
    }
}
