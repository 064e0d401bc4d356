//! A table as it will be once those that it refers to are merged, in SQL.
//!
//! The server computes keys, compares them by its own operators and reads its own heap; what is
//! sent are the old and new values of the keys that go, joined by hash: one pass over a table,
//! however many groups there are.

use std::collections::{BTreeMap, HashSet};

use tokio_postgres::types::ToSql;

use super::mapping::{List, Mapped, Mapping};
use super::work::Work;
use crate::duplicates::references::Reference;
use crate::duplicates::rules::ReferenceKind;
use crate::duplicates::tables::ColumnKind;
use crate::error::Error;
use crate::name::{Ident, literal};

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    /// Those that refer to a row that goes.
    Losers,
    /// Those too that refer to a row that stays and takes another in.
    Members,
    /// Those that refer to a row that goes for good.
    Gone,
}

/// What a row is referred to by, in one text: the value of one column as it is, of several each
/// with its length before it.
pub(super) fn key_of(values: &[&str]) -> String {
    match values {
        [value] => (*value).to_owned(),
        _ => values.iter().map(|value| format!("{}:{value}", value.len())).collect(),
    }
}

/// The values of a key of so many columns.
pub(super) fn values_of(key: &str, columns: usize) -> Vec<&str> {
    if columns == 1 {
        return vec![key];
    }
    let mut values = Vec::with_capacity(columns);
    let mut rest = key;
    while let Some((length, after)) = rest.split_once(':') {
        let Ok(length) = length.parse::<usize>() else { break };
        let Some((value, next)) = after.split_at_checked(length) else { break };
        values.push(value);
        rest = next;
    }
    values
}

/// The key that some columns make; none where one of them is NULL.
pub(super) fn key_in<'v>(
    columns: &[String],
    value: impl Fn(&str) -> Option<&'v str>,
) -> Option<String> {
    let values: Vec<&str> = columns.iter().map(|column| value(column)).collect::<Option<_>>()?;
    Some(key_of(&values))
}

/// Values of array columns as they will be, by ctid.
pub(super) type Overrides = BTreeMap<String, BTreeMap<String, ArrayChange>>;

/// Bytes of a row's place as text.
const BYTES_A_CTID: u64 = 48;

/// Bytes of an array as it will be, beside its text and the groups that change it.
const BYTES_A_CHANGE: u64 = 160;

/// An array as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArrayChange {
    pub(super) new: Option<String>,
    /// The groups that change it: table, and place among its groups.
    pub(super) groups: Vec<(usize, usize)>,
}

/// A FROM clause whose rows are those of a table as they will be.
pub(super) struct MappedTable {
    /// `only "s"."t" as t left join …`.
    pub(super) from: String,
    /// What each column will be, by its name.
    pub(super) columns: Vec<(String, String)>,
    /// Whether a row is wanted.
    pub(super) condition: String,
    parameters: Vec<List>,
}

impl MappedTable {
    /// The parameters of the statement.
    pub(super) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|list| list as &(dyn ToSql + Sync)).collect()
    }

    /// A subquery that gives `pghaul ctid`, `pghaul changed` and every column by its own name, as
    /// it will be.
    pub(super) fn subquery(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, expression)| format!("{expression} as {}", Ident::new(name).quoted()))
            .collect();
        let changed: Vec<String> = self
            .columns
            .iter()
            .filter(|(name, expression)| *expression != own(name))
            .map(|(name, expression)| format!("{expression} is distinct from {}", own(name)))
            .collect();
        let changed = if changed.is_empty() { "false".to_owned() } else { changed.join(" or ") };
        format!(
            "(select t.ctid as \"pghaul ctid\", ({changed}) as \"pghaul changed\", {} \
             from {} where {}) as x",
            columns.join(", "),
            self.from,
            self.condition
        )
    }
}

fn own(name: &str) -> String {
    format!("t.{}", Ident::new(name).quoted())
}

impl Work<'_> {
    /// The references of a table whose parents have something that goes.
    pub(super) fn active(&self, table: usize) -> Vec<&Reference> {
        self.tables.of(table).filter(|reference| self.mapping(reference).is_some()).collect()
    }

    /// What becomes of the values that a reference can have.
    pub(super) fn mapping(&self, reference: &Reference) -> Option<&Mapping> {
        let mapping = self.states[reference.parent].maps.get(&reference.parent_columns)?;
        (!mapping.is_empty()).then_some(mapping)
    }

    /// A table as it will be.
    pub(super) fn mapped_table(
        &self,
        table: usize,
        which: Touched,
        overrides: &Overrides,
    ) -> MappedTable {
        let facts = &self.tables.list[table];
        let mut from = format!("only {} as t", facts.name.quoted());
        let mut parameters: Vec<List> = Vec::new();
        let mut conditions = Vec::new();
        let mut instead: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for reference in self.active(table) {
            let Some(mapping) = self.mapping(reference) else { continue };
            if reference.kind == ReferenceKind::Array {
                continue;
            }
            let width = reference.columns.len();
            let at = parameters.len();
            let (mut lists, mut names, mut equal) = (Vec::new(), Vec::new(), Vec::new());
            for (place, list) in mapping.lists(which, width).into_iter().enumerate() {
                let number = place % width;
                let column = &reference.parent_columns[number];
                let column = self.tables.list[reference.parent].column(column);
                let type_name = column.map_or("text", |column| column.type_name.as_str());
                // A text that is how a number is written may be of any type.
                let is_number = column.is_some_and(|column| column.kind == ColumnKind::Integer);
                let cast = if is_number {
                    format!("::{type_name}")
                } else {
                    format!("::text::{type_name}")
                };
                lists.push(format!(
                    "pg_catalog.unnest(${}::{})",
                    parameters.len() + 1,
                    list.type_name()
                ));
                parameters.push(list);
                if place < width {
                    names.push(format!("old{number}"));
                    let own = own(&reference.columns[number]);
                    // Texts of all that is equal to a key are in the mapping (`spellings.rs`). An array of
                    // a domain there is from 11 on only.
                    equal.push(if reference.equal.is_empty() {
                        format!("m{at}.old{number}{cast} = {own}")
                    } else {
                        format!(
                            "m{at}.old{number}::text = pg_catalog.format('%s', {own}) collate \"C\" \
                             and {own} is distinct from null"
                        )
                    });
                } else {
                    names.push(format!("new{number}"));
                    instead
                        .entry(&reference.columns[number])
                        .or_default()
                        .push(format!("m{at}.new{number}{cast}"));
                }
            }
            let is_type = match &reference.type_ {
                Some(type_) => {
                    format!(" and {}::text = {}", own(&type_.column), literal(&type_.value))
                }
                None => String::new(),
            };
            from.push_str(&format!(
                " left join rows from ({}) as m{at} ({}) on {}{is_type}",
                lists.join(", "),
                names.join(", "),
                equal.join(" and "),
            ));
            conditions.push(format!("m{at}.old0 is not null"));
        }
        for (number, (column, values)) in overrides.iter().enumerate() {
            let at = parameters.len();
            parameters.push(List::Texts(values.keys().map(|ctid| Some(ctid.clone())).collect()));
            let news = values.values().map(|change| change.new.clone());
            parameters.push(List::Texts(news.collect()));
            let type_name = facts.column(column).map_or("text", |column| &column.type_name);
            from.push_str(&format!(
                " left join rows from (pg_catalog.unnest(${}::text[]), pg_catalog.unnest(${}::text[])) \
                 as o{number} (row, new) \
                 on o{number}.row = t.ctid::text",
                at + 1,
                at + 2,
            ));
            conditions.push(format!("o{number}.row is not null"));
            if let Some((name, _)) = overrides.get_key_value(column) {
                instead
                    .entry(name.as_str())
                    .or_default()
                    .push(format!("o{number}.new::{type_name}"));
            }
        }
        let columns = facts
            .columns
            .iter()
            .map(|column| {
                let expression = match instead.get(column.name.as_str()) {
                    Some(news) => format!("coalesce({}, {})", news.join(", "), own(&column.name)),
                    None => own(&column.name),
                };
                (column.name.clone(), expression)
            })
            .collect();
        let condition =
            if conditions.is_empty() { "false".to_owned() } else { conditions.join(" or ") };
        MappedTable { from, columns, condition, parameters }
    }

    /// Arrays that name rows that go, or stay and take others in, as they will be.
    pub(super) async fn overrides(
        &self,
        table: usize,
        which: Touched,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Overrides, Error> {
        let mut all = Overrides::new();
        let mut held = 0_u64;
        for reference in self.active(table) {
            let [array] = reference.columns.as_slice() else { continue };
            if reference.kind != ReferenceKind::Array || !wanted(array) {
                continue;
            }
            let Some(mapping) = self.mapping(reference) else { continue };
            let name = &self.tables.list[table].name;
            let list = mapping.keys(which).into_list();
            let sql = format!(
                "select distinct t.ctid::text \
                   from only {} as t \
                  cross join lateral pg_catalog.unnest(t.{}::text[]) as e (value) \
                   join pg_catalog.unnest($1::{}::text[]) as m (old) on m.old = e.value \
                  where pg_catalog.array_ndims(t.{}) = 1",
                name.quoted(),
                Ident::new(array).quoted(),
                list.type_name(),
                Ident::new(array).quoted(),
            );
            let doing = format!("find the arrays of `{name}` that name duplicates");
            let mut ctids: Vec<String> = Vec::new();
            self.session
                .each_row(&doing, &sql, &[&list], |row| {
                    // What is too much is not kept, and an error below.
                    if ctids.len() as u64 * BYTES_A_CTID <= self.options.memory {
                        ctids.push(row.get(0));
                    }
                })
                .await?;
            held += ctids.len() as u64 * BYTES_A_CTID;
            self.check_memory(held)?;
            let column = all.entry(array.clone()).or_default();
            for chunk in ctids.chunks(super::work::ROWS_AT_ONCE) {
                for (ctid, value) in self.arrays(table, array, chunk).await? {
                    let mut groups: Vec<(usize, usize)> = value
                        .iter()
                        .flatten()
                        .flatten()
                        .filter_map(|element| mapping.get(element))
                        .map(|mapped| (reference.parent, mapped.group))
                        .collect();
                    groups.dedup();
                    let new = value.map(|value| self.map_array(reference, value));
                    // As it is kept, and as a parameter of a statement.
                    held += 2 * new.as_ref().map_or(0, |new| new.len() as u64)
                        + (groups.capacity() * size_of::<(usize, usize)>()) as u64
                        + BYTES_A_CHANGE;
                    column.insert(ctid, ArrayChange { new, groups });
                }
                self.check_memory(held)?;
            }
        }
        Ok(all)
    }

    pub(super) async fn arrays(
        &self,
        table: usize,
        column: &str,
        ctids: &[String],
    ) -> Result<Vec<(String, Option<Vec<Option<String>>>)>, Error> {
        let name = &self.tables.list[table].name;
        let mut values = Vec::new();
        for chunk in ctids.chunks(super::work::ROWS_AT_ONCE) {
            let sql = format!(
                "select t.ctid::text, t.{}::text[] from only {} as t \
                 where t.ctid = any ($1::text[]::pg_catalog.tid[])",
                Ident::new(column).quoted(),
                name.quoted(),
            );
            let doing = format!("read arrays of `{name}`");
            for row in self.session.query(&doing, &sql, &[&chunk]).await? {
                values.push((row.get(0), row.get(1)));
            }
        }
        Ok(values)
    }

    /// An array as it will be: elements replaced, repetitions and what goes for good left out.
    pub(super) fn map_array(&self, reference: &Reference, value: Vec<Option<String>>) -> String {
        let mapping = self.mapping(reference);
        let mut elements: Vec<Option<String>> = Vec::with_capacity(value.len());
        let mut seen: HashSet<String> = HashSet::with_capacity(value.len());
        for element in value {
            let mapped = element.as_ref().and_then(|old| mapping?.get(old));
            let new = match (mapped, element) {
                (Some(Mapped { new: None, .. }), _) => continue,
                (Some(Mapped { new: Some(new), .. }), _) => Some(new),
                (None, element) => element,
            };
            if new.as_ref().is_none_or(|new| seen.insert(new.clone())) {
                elements.push(new);
            }
        }
        if reference.sorted {
            sort_values(&mut elements);
        }
        array_literal(&elements)
    }
}

/// Numbers by value, anything else by its text.
pub(super) fn sort_values(values: &mut [Option<String>]) {
    values.sort_by(|a, b| compare_values(a.as_deref(), b.as_deref()));
}

/// Numbers by value, anything else by its text; NULL last.
pub(super) fn compare_values(a: Option<&str>, b: Option<&str>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(a), Some(b)) => match (a.parse::<i128>(), b.parse::<i128>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        },
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// As Postgres reads an array (manual, 8.15.2).
pub(super) fn array_literal(elements: &[Option<String>]) -> String {
    let elements: Vec<String> = elements
        .iter()
        .map(|element| match element {
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            None => "NULL".to_owned(),
        })
        .collect();
    format!("{{{}}}", elements.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_quoted() {
        let elements = [Some("a\"b".to_owned()), None, Some("\\".to_owned()), Some(String::new())];
        assert_eq!(array_literal(&elements), r#"{"a\"b",NULL,"\\",""}"#);
    }

    #[test]
    fn keys_of_several_columns_are_told_apart() {
        for values in [&["1", "2"], &["12", ""], &["", "12"], &["1:2", "3:"], &["é:", ":"]] {
            assert_eq!(values_of(&key_of(values), 2), values);
        }
        assert_eq!(values_of(&key_of(&["3:abc"]), 1), ["3:abc"]);
        assert_ne!(key_of(&["1", "23"]), key_of(&["12", "3"]));
        let columns = ["a".to_owned(), "b".to_owned()];
        assert_eq!(key_in(&columns, |column| (column == "a").then_some("x")), None);
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let mut values: Vec<_> = ["10", "9", "-1"].map(|text| Some(text.to_owned())).to_vec();
        values.push(None);
        sort_values(&mut values);
        let shown: Vec<_> = values.iter().map(|value| value.as_deref().unwrap_or("null")).collect();
        assert_eq!(shown, ["-1", "9", "10", "null"]);
    }
}
