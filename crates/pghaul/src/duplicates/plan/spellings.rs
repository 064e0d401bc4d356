//! Texts by which rows refer to a key that is written otherwise itself: a foreign key takes `1.00` for
//! `1.0`, and `AB` for `ab` where the type is `citext` or the collation says so (Postgres manual,
//! 23.2.2.4).
//!
//! Invariant: a text is added that the foreign key's own operator takes for a key that goes, and for
//! none that stays.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::ToSql;

use super::mapped::{key_of, values_of};
use super::mapping::Mapping;
use super::work::Work;
use crate::duplicates::references::Reference;
use crate::error::Error;
use crate::name::Ident;

/// Texts that are in use, with those of the keys that each is equal to.
type Spellings = BTreeMap<String, BTreeSet<String>>;

impl Work<'_> {
    /// Adds to what becomes of the keys of a table what they are called where they are referred to.
    pub(super) async fn add_spellings(
        &self,
        table: usize,
        maps: &mut BTreeMap<Vec<String>, Mapping>,
    ) -> Result<(), Error> {
        for reference in self.tables.to(table).filter(|reference| !reference.equal.is_empty()) {
            let Some(mapping) = maps.get_mut(&reference.parent_columns) else { continue };
            let stay = mapping.values_that_stay();
            let found = self.spellings(reference, mapping, &stay).await?;
            for (spelling, keys) in found {
                if keys.iter().any(|key| stay.contains(key)) {
                    mapping.insert_stay(spelling);
                } else if let Some(mapped) = keys.first().and_then(|key| mapping.get(key)) {
                    mapping.insert(spelling, mapped);
                }
            }
            mapping.settle();
            self.check_memory(maps.values().map(Mapping::bytes).sum())?;
        }
        Ok(())
    }

    async fn spellings(
        &self,
        reference: &Reference,
        mapping: &Mapping,
        stay: &BTreeSet<String>,
    ) -> Result<Spellings, Error> {
        let child = &self.tables.list[reference.child].name;
        let width = reference.columns.len();
        let mut parameters: Vec<Vec<String>> = vec![Vec::new(); width];
        let keys = mapping.iter().map(|(old, _)| old);
        for key in keys.chain(stay.iter().cloned()) {
            for (list, value) in parameters.iter_mut().zip(values_of(&key, width)) {
                list.push(value.to_owned());
            }
        }
        let (mut lists, mut names, mut equal) = (Vec::new(), Vec::new(), Vec::new());
        let (mut texts, mut of_keys) = (Vec::new(), Vec::new());
        for (number, column) in reference.columns.iter().enumerate() {
            let own = format!("t.{}", Ident::new(column).quoted());
            let type_name = self.tables.list[reference.parent]
                .column(&reference.parent_columns[number])
                .map_or("text", |column| column.type_name.as_str());
            let place = number + 1;
            lists.push(format!("pg_catalog.unnest(${place}::text[])"));
            names.push(format!("k{number}"));
            equal.push(format!("m.k{number}::{type_name} {} {own}", reference.equal[number]));
            texts.push(format!("pg_catalog.format('%s', {own}) collate \"C\""));
            of_keys.push(format!("m.k{number}"));
        }
        let sql = format!(
            "select distinct array[{}], array[{}] from only {} as t join rows from ({}) as m ({}) on {}",
            texts.join(", "),
            of_keys.join(", "),
            child.quoted(),
            lists.join(", "),
            names.join(", "),
            equal.join(" and "),
        );
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|list| list as &(dyn ToSql + Sync)).collect();
        let doing = format!("find how rows of `{child}` write keys that go");
        let mut found = Spellings::new();
        let mut bytes = 0;
        self.session
            .each_row(&doing, &sql, &parameters, |row| {
                let text = |at: usize| {
                    let values: Vec<&str> = row.get(at);
                    key_of(&values)
                };
                let spelling = text(0);
                // What is too much is not kept, and an error below.
                let fits = bytes <= self.options.memory;
                if fits && mapping.get(&spelling).is_none() && !stay.contains(&spelling) {
                    let key = text(1);
                    bytes += 200 + spelling.len() as u64 + key.len() as u64;
                    found.entry(spelling).or_default().insert(key);
                }
            })
            .await?;
        self.check_memory(bytes)?;
        Ok(found)
    }
}
