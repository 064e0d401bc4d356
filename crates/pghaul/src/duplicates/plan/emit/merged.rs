//! What rows that stay take in from the others.
//!
//! Invariant: a value that stays as it is is not written.

use std::collections::HashMap;

use pghaul_rows::Tid;

use crate::duplicates::plan::file::Values;
use crate::duplicates::plan::groups::{Fate, Group};
use crate::duplicates::plan::mapped::{array_literal, compare_values, sort_values};
use crate::duplicates::plan::mapping::Mapped;
use crate::duplicates::plan::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::rules::{Merge, ReferenceKind};
use crate::error::Error;

impl Work<'_> {
    /// What the rows that stay take in from the others.
    pub(super) async fn merged_values(
        &self,
        table: usize,
        groups: &[Group],
    ) -> Result<HashMap<Tid, Values>, Error> {
        let facts = &self.tables.list[table];
        let mut all: HashMap<Tid, Values> = HashMap::new();
        if facts.rule.merge.is_empty() {
            return Ok(all);
        }
        let columns: Vec<&str> = facts.rule.merge.keys().map(String::as_str).collect();
        let key = self.single_key(table);
        let mut read = columns.clone();
        read.extend(key.as_deref());
        let tids: Vec<Tid> = groups
            .iter()
            .filter(|group| group.fate == Fate::Merge)
            .flat_map(|group| group.rows.iter().copied())
            .collect();
        let mut values: HashMap<Tid, Vec<Option<String>>> = HashMap::new();
        let mut arrays: HashMap<(&str, Tid), Vec<Option<String>>> = HashMap::new();
        for chunk in tids.chunks(ROWS_AT_ONCE) {
            values.extend(self.values(table, chunk, &read).await?);
            let ctids: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            for (column, merge) in &facts.rule.merge {
                if matches!(merge, Merge::Union | Merge::Append) {
                    for (ctid, array) in self.arrays(table, column, &ctids).await? {
                        if let (Some(tid), Some(array)) = (Tid::from_text(ctid.as_bytes()), array) {
                            arrays.insert((column.as_str(), tid), array);
                        }
                    }
                }
            }
        }
        for group in groups.iter().filter(|group| group.fate == Fate::Merge) {
            let Some(first) = group.rows.first() else { continue };
            let mut set = Values::new();
            for (at, (column, merge)) in facts.rule.merge.iter().enumerate() {
                let own = values.get(first).and_then(|row| row[at].clone());
                let own_key = key.as_ref().and_then(|_| values.get(first)?.last()?.clone());
                let new = match merge {
                    Merge::Union | Merge::Append => {
                        self.merged_array(table, column, *merge, group, &arrays)
                    }
                    _ => {
                        let texts = group
                            .rows
                            .iter()
                            .map(|tid| values.get(tid).and_then(|row| row[at].clone()))
                            .map(|value| self.as_it_will_be(table, column, value))
                            .filter(|value| {
                                !self.would_be_itself(table, column, value, own_key.as_ref())
                            });
                        pick(*merge, texts)
                    }
                };
                if new != own {
                    set.insert(column.clone(), new);
                }
            }
            all.insert(*first, set);
        }
        Ok(all)
    }

    fn merged_array(
        &self,
        table: usize,
        column: &str,
        merge: Merge,
        group: &Group,
        arrays: &HashMap<(&str, Tid), Vec<Option<String>>>,
    ) -> Option<String> {
        let mapping = self
            .active(table)
            .into_iter()
            .find(|reference| reference.is_from(column) && reference.kind == ReferenceKind::Array)
            .and_then(|reference| self.mapping(reference));
        let mut elements: Vec<Option<String>> = Vec::new();
        let mut any = false;
        for tid in &group.rows {
            let Some(array) = arrays.get(&(column, *tid)) else { continue };
            any = true;
            for element in array {
                let mapped = element.as_ref().and_then(|old| mapping?.get(old));
                let new = match mapped {
                    Some(Mapped { new: None, .. }) => continue,
                    Some(Mapped { new, .. }) => new,
                    None => element.clone(),
                };
                if !elements.contains(&new) {
                    elements.push(new);
                }
            }
        }
        if merge == Merge::Union {
            sort_values(&mut elements);
        }
        // As the server would write it, so that an array that stays as it is does not change.
        any.then(|| server_literal(&elements))
    }

    fn as_it_will_be(&self, table: usize, column: &str, value: Option<String>) -> Option<String> {
        let old = value?;
        for reference in self.active(table) {
            // A column of several that refer together is not a value of its own.
            if reference.columns == [column]
                && reference.kind == ReferenceKind::Key
                && reference.type_.is_none()
                && let Some(mapped) = self.mapping(reference).and_then(|mapping| mapping.get(&old))
            {
                return mapped.new;
            }
        }
        Some(old)
    }

    /// Whether a row would refer to itself by that value.
    fn would_be_itself(
        &self,
        table: usize,
        column: &str,
        value: &Option<String>,
        own: Option<&String>,
    ) -> bool {
        value.is_some()
            && value.as_ref() == own
            && self.tables.of(table).any(|r| r.is_to_itself() && r.columns == [column])
    }
}

/// One value of many; NULL and empty ones count for nothing.
fn pick(merge: Merge, values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let values: Vec<Option<String>> = values.collect();
    let present = |value: &&Option<String>| {
        value.as_deref().is_some_and(|text| !text.is_empty() && text != "{}")
    };
    let order =
        |a: &&Option<String>, b: &&Option<String>| compare_values(a.as_deref(), b.as_deref());
    let chosen = match merge {
        Merge::Highest => values.iter().filter(present).max_by(order),
        Merge::Lowest => values.iter().filter(present).min_by(order),
        _ => values.iter().find(present),
    };
    chosen.or(values.first()).cloned().flatten()
}

/// An array as the server writes it: quotes only where they are needed.
fn server_literal(elements: &[Option<String>]) -> String {
    let plain = |text: &String| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    if elements.iter().all(|element| element.as_ref().is_some_and(plain)) {
        let texts: Vec<&str> = elements.iter().flatten().map(String::as_str).collect();
        return format!("{{{}}}", texts.join(","));
    }
    array_literal(elements)
}
