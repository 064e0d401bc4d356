//! What takes the place of each value by which rows are referred to: of rows that are merged into
//! others, of rows that go for good, and of rows that stay and whose own key is made of references
//! that change, such as the key of a table that has the key of another one.
//!
//! Invariant: a value maps to what will stand there in the end, not to what would have to be mapped
//! again.

use std::collections::BTreeMap;

use pghaul_rows::Tid;

use super::groups::{Fate, Group};
use super::mapped::{Overrides, Touched, key_in};
use super::mapping::{Mapped, Mapping};
use super::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::rules::ReferenceKind;
use crate::error::Error;
use crate::name::Ident;

/// Rows, and their values of the columns that others refer to.
type Moved = BTreeMap<Tid, Vec<Option<String>>>;

impl Work<'_> {
    /// Whether a reference that changes is in a key by which others refer to the table.
    pub(super) fn moves_keys(&self, table: usize) -> bool {
        let referred: Vec<&String> =
            self.tables.to(table).flat_map(|reference| &reference.parent_columns).collect();
        self.active(table).iter().any(|reference| {
            reference.kind == ReferenceKind::Key
                && reference.columns.iter().any(|column| referred.contains(&column))
        })
    }

    /// Rows whose key will be another one, as it will be.
    async fn moved_keys(&self, table: usize, names: &[&str]) -> Result<Moved, Error> {
        let mut moved = Moved::new();
        if !self.moves_keys(table) {
            return Ok(moved);
        }
        let mapped = self.mapped_table(table, Touched::Losers, &Overrides::new());
        let values: Vec<String> = names
            .iter()
            .filter_map(|name| mapped.columns.iter().find(|(column, _)| column == name))
            .map(|(_, new)| {
                format!(
                    "case when {new} is distinct from null then pg_catalog.format('%s', {new}) end"
                )
            })
            .collect();
        let changed: Vec<String> = mapped
            .columns
            .iter()
            .filter(|(column, _)| names.contains(&column.as_str()))
            .map(|(column, new)| {
                format!("{new} is distinct from t.{}", Ident::new(column).quoted())
            })
            .collect();
        let sql = format!(
            "select t.ctid::text, array[{}]::text[] from {} where ({}) and ({})",
            values.join(", "),
            mapped.from,
            mapped.condition,
            changed.join(" or "),
        );
        let doing = format!("find rows of `{}` whose key changes", self.tables.list[table].name);
        let mut bytes = 0;
        self.session
            .each_row(&doing, &sql, &mapped.parameters(), |row| {
                let key: Vec<Option<String>> = row.get(1);
                // What is too much is not kept, and an error below.
                if bytes <= self.options.memory
                    && let Some(tid) = Tid::from_text(row.get::<_, &str>(0).as_bytes())
                {
                    bytes +=
                        120 + key.iter().flatten().map(|text| text.len() as u64 + 24).sum::<u64>();
                    moved.insert(tid, key);
                }
            })
            .await?;
        self.check_memory(bytes)?;
        Ok(moved)
    }

    /// Notes what takes the place of each value that others refer to.
    pub(super) async fn map(&mut self, table: usize) -> Result<(), Error> {
        let mut keys: Vec<Vec<String>> =
            self.tables.to(table).map(|reference| reference.parent_columns.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut maps: BTreeMap<Vec<String>, Mapping> = BTreeMap::new();
        if keys.is_empty() {
            self.states[table].maps = maps;
            return Ok(());
        }
        let mut names: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let key_of_row = |row: &[Option<String>], columns: &[String]| {
            key_in(columns, |column| row[names.iter().position(|name| *name == column)?].as_deref())
        };
        let mut moved = self.moved_keys(table, &names).await?;
        let groups = std::mem::take(&mut self.states[table].groups);
        let mut merged = groups.read().enumerate();
        loop {
            let mut some: Vec<(usize, Group)> = Vec::new();
            while some.len() < ROWS_AT_ONCE / 4
                && let Some((place, group)) = merged.next()
            {
                let group = group?;
                if group.fate == Fate::Merge {
                    some.push((place, group));
                }
            }
            if some.is_empty() {
                break;
            }
            let tids: Vec<Tid> =
                some.iter().flat_map(|(_, group)| group.rows.iter().copied()).collect();
            let mut values: BTreeMap<Tid, Vec<Option<String>>> = BTreeMap::new();
            for chunk in tids.chunks(ROWS_AT_ONCE) {
                values.extend(self.values(table, chunk, &names).await?);
            }
            for (group, decided) in &some {
                let Some((first, others)) = decided.rows.split_first() else { continue };
                // Where the row that stays is going to be, if it is one that moves.
                let stays = moved.remove(first).or_else(|| values.get(first).cloned());
                for other in others {
                    moved.remove(other);
                }
                for other in decided.rows.iter().filter(|_| stays.is_some()) {
                    for columns in &keys {
                        let key = |tid| values.get(tid).and_then(|row| key_of_row(row, columns));
                        let new = stays.as_ref().and_then(|row| key_of_row(row, columns));
                        if let (Some(old), Some(new)) = (key(other), new)
                            && old != new
                        {
                            let mapped = Mapped { new: Some(new), group: *group };
                            maps.entry(columns.clone()).or_default().insert(old, mapped);
                        }
                    }
                }
            }
            self.check_memory(maps.values().map(Mapping::bytes).sum())?;
        }
        let count = groups.len();
        self.states[table].groups = groups;
        let removed: Vec<Tid> = self.states[table].removed.keys().copied().collect();
        for (chunk_number, chunk) in removed.chunks(ROWS_AT_ONCE).enumerate() {
            for (tid, row) in self.values(table, chunk, &names).await? {
                let within = chunk.iter().position(|other| *other == tid).unwrap_or(0);
                let group = count + chunk_number * ROWS_AT_ONCE + within;
                for columns in &keys {
                    if let Some(old) = key_of_row(&row, columns) {
                        let mapped = Mapped { new: None, group };
                        maps.entry(columns.clone()).or_default().insert(old, mapped);
                    }
                }
            }
        }
        moved.retain(|tid, _| !self.states[table].removed.contains_key(tid));
        let first_moved = self.states[table].first_moved();
        let tids: Vec<Tid> = moved.keys().copied().collect();
        for (chunk_number, chunk) in tids.chunks(ROWS_AT_ONCE).enumerate() {
            for (tid, row) in self.values(table, chunk, &names).await? {
                let within = chunk.iter().position(|other| *other == tid).unwrap_or(0);
                let group = first_moved + chunk_number * ROWS_AT_ONCE + within;
                for columns in &keys {
                    let new = moved.get(&tid).and_then(|row| key_of_row(row, columns));
                    if let (Some(old), Some(new)) = (key_of_row(&row, columns), new)
                        && old != new
                    {
                        let mapped = Mapped { new: Some(new), group };
                        maps.entry(columns.clone()).or_default().insert(old, mapped);
                    }
                }
            }
            self.check_memory(maps.values().map(Mapping::bytes).sum())?;
        }
        maps.values_mut().for_each(Mapping::settle);
        self.add_spellings(table, &mut maps).await?;
        self.states[table].moved = tids;
        self.states[table].maps = maps;
        Ok(())
    }
}
