//! What rows that stay take in from the others.
//!
//! Invariants: a value that stays as it is is not written; which value is the highest is the server's to
//! say: 9.5 is less than 10.25, and a type of one's own has an order of its own.

use std::collections::{BTreeSet, HashMap};

use pghaul_rows::Tid;

use crate::duplicates::plan::file::Values;
use crate::duplicates::plan::groups::{Fate, Group};
use crate::duplicates::plan::mapped::{array_literal, compare_values, sort_values};
use crate::duplicates::plan::mapping::Mapped;
use crate::duplicates::plan::work::{ROWS_AT_ONCE, Work};
use crate::duplicates::rules::{Merge, ReferenceKind};
use crate::duplicates::tables::ColumnKind;
use crate::error::{Error, ErrorKind};

/// Texts of values, with their places in the order of their type.
type Order = HashMap<String, i64>;

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
        let mut orders: Vec<Order> = Vec::new();
        for (at, (column, merge)) in facts.rule.merge.iter().enumerate() {
            let compared = matches!(merge, Merge::Highest | Merge::Lowest);
            let texts = values.values().filter(|_| compared).map(|row| row[at].clone());
            let texts = texts.filter_map(|text| self.as_it_will_be(table, column, text)).collect();
            orders.push(self.order_of(table, column, texts).await?);
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
                        pick(*merge, texts, &orders[at])
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

    /// How the server orders some values of a column; whole numbers and booleans need not be asked about.
    async fn order_of(
        &self,
        table: usize,
        column: &str,
        texts: BTreeSet<String>,
    ) -> Result<Order, Error> {
        let facts = &self.tables.list[table];
        let Some(column) = facts.column(column).filter(|_| texts.len() > 1) else {
            return Ok(Order::new());
        };
        if matches!(column.kind, ColumnKind::Integer | ColumnKind::Boolean) {
            return Ok(Order::new());
        }
        let sql = format!(
            "select v.value, pg_catalog.dense_rank() over (order by v.value::{}) \
               from pg_catalog.unnest($1::text[]) as v (value)",
            column.type_name
        );
        let doing = format!("put values of `{}.{}` in order", facts.name, column.name);
        let texts: Vec<String> = texts.into_iter().collect();
        let rows = self.session.query(&doing, &sql, &[&texts]).await.map_err(|error| {
            // No operator puts values of the type in order.
            if error.sqlstate() != Some("42883") {
                return error;
            }
            error.with_kind(ErrorKind::Usage).with_hint(
                "values of its type have no order: merge the column by `first` in the rules",
            )
        })?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
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

/// One value of many; NULL and empty ones count for nothing. Values that stand in no order are numbers,
/// or texts.
fn pick(
    merge: Merge,
    values: impl Iterator<Item = Option<String>>,
    places: &Order,
) -> Option<String> {
    let values: Vec<Option<String>> = values.collect();
    let present = |value: &&Option<String>| {
        value.as_deref().is_some_and(|text| !text.is_empty() && text != "{}")
    };
    let place = |value: &Option<String>| places.get(value.as_ref()?);
    let order = |a: &&Option<String>, b: &&Option<String>| match (place(a), place(b)) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => compare_values(a.as_deref(), b.as_deref()),
    };
    let chosen = match merge {
        // Of equal ones the first.
        Merge::Highest => values.iter().rev().filter(present).max_by(order),
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
